import { Command } from 'commander';
import { jsonSchema } from '../config/json-schema.js';
import type { Io } from './io.js';

export const configschemaCommand = (io: Io): Command =>
  new Command('configschema')
    .description('print the JSON Schema of the configuration file, for editors')
    .addHelpText(
      'after',
      '\nFor completion and checks in an editor:\n' +
        '  gyre configschema > config.schema.json\n' +
        '  and in config.json: "$schema": "./config.schema.json"',
    )
    .action(() => io.out(JSON.stringify(jsonSchema(), null, 2)));
