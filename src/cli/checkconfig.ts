import { Command } from 'commander';
import { loadConfig } from '../config/load.js';
import { listSupport } from '../config/support.js';
import { CommandError, type Io } from './io.js';

interface Options {
  config: string;
  strict?: boolean;
  support?: boolean;
}

export const checkconfigCommand = (io: Io): Command =>
  new Command('checkconfig')
    .description('check a configuration file, together with the environment')
    .option('-c, --config <file>', 'file to check', 'config.json')
    .option('-s, --strict', 'fail on unknown options too')
    .option('--support', 'list every option and whether it is supported instead')
    .action(({ config: path, strict, support }: Options) => {
      if (support) printSupport(io);
      else check(path, strict ?? false, io);
    });

function check(path: string, strict: boolean, io: Io): void {
  const { warnings, meta } = loadConfig({ path, env: io.env, cwd: io.cwd });
  if (!meta.fileFound) throw new CommandError(`${path}: no such file; write one with: gyre genconfig --config ${path}`);
  for (const warning of warnings) io.err(`warning: ${warning}`);
  if (strict && meta.unknown.length > 0) throw new CommandError(`${path}: unknown options: ${meta.unknown.join(', ')}`);
  io.out(`${path}: ok`);
}

function printSupport(io: Io): void {
  const options = listSupport();
  const width = Math.max(...options.map(({ path }) => path.length));
  const lines = options.map(({ path, status, reason }) => {
    return `${path.padEnd(width)}  ${status}${reason ? `: ${reason}` : ''}`;
  });
  io.out(lines.join('\n'));
}
