import { Command } from 'commander';
import { loadConfig } from '../config/load.js';
import { toFile } from '../config/render.js';
import { CommandError, type Io } from './io.js';
import { formatFor, writeNew } from './write-config.js';

interface Options {
  config: string;
  base?: string;
  dryRun?: boolean;
}

export const defaultconfigCommand = (io: Io): Command =>
  new Command('defaultconfig')
    .description('write a configuration file with every option and its default')
    .option('-c, --config <file>', 'file to write: .json, .yaml or .toml', 'config.json')
    .option('-b, --base <file>', 'file whose values are taken instead of the defaults')
    .option('-d, --dry-run', 'print it instead of writing a file')
    .action(({ config: path, base, dryRun }: Options) => {
      const { config, meta } = loadConfig({ path: base, env: io.env, cwd: io.cwd });
      if (base && !meta.fileFound) throw new CommandError(`${base}: no such file`);
      const text = formatFor(path, toFile(config));
      if (dryRun) return io.out(text.trimEnd());
      writeNew(path, text, io.cwd);
      io.out(`wrote ${path}`);
    });
