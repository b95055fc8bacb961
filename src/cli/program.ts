import { Command, CommanderError } from 'commander';
import { ConfigError } from '../config/config-error.js';
import { type LoadedConfig, loadConfig } from '../config/load.js';
import { checkconfigCommand } from './checkconfig.js';
import { checksubtokenCommand, checktokenCommand } from './checktoken.js';
import { configschemaCommand } from './configschema.js';
import { defaultconfigCommand } from './defaultconfig.js';
import { defaultenvCommand } from './defaultenv.js';
import { addServerFlags } from './flags.js';
import { genconfigCommand } from './genconfig.js';
import { gensubtokenCommand } from './gensubtoken.js';
import { gentokenCommand } from './gentoken.js';
import { CommandError, type Io } from './io.js';
import { reshardPlanCommand } from './reshard-plan.js';
import { serveCommand } from './serve.js';
import { versionCommand } from './version.js';

/** Runs a server with a configuration; resolves when it has started or ended. */
export type StartServer = (loaded: LoadedConfig) => Promise<void>;

const commands = [
  versionCommand,
  genconfigCommand,
  checkconfigCommand,
  defaultconfigCommand,
  defaultenvCommand,
  configschemaCommand,
  gentokenCommand,
  gensubtokenCommand,
  checktokenCommand,
  checksubtokenCommand,
  reshardPlanCommand,
  serveCommand,
];

/**
 * Runs the command line.
 *
 * @param args without the program itself.
 * @returns the exit code: 0, or 1 when the command could not do what it was asked to, or another that the command explains.
 */
export async function run(args: readonly string[], io: Io, start: StartServer): Promise<number> {
  try {
    await program(io, start).parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    // Commander has printed its own message, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode;
    if (error instanceof ConfigError) {
      for (const warning of error.warnings) io.err(`warning: ${warning}`);
      for (const problem of error.problems) io.err(`error: ${problem}`);
    } else if (isForPeople(error)) io.err(`error: ${error.message}`);
    else throw error;
    return error instanceof CommandError ? error.exitCode : 1;
  }
}

/** A plain Error says what cannot be done (a port is taken); TypeError and its like are mistakes, and keep their stack. */
const isForPeople = (error: unknown): error is Error =>
  error instanceof CommandError || (error instanceof Error && error.constructor === Error);

function program(io: Io, start: StartServer): Command {
  const root = new Command('gyre')
    .description('Real-time messaging server. Without a command it starts the server.')
    // "-c" after a command is the command's own.
    .enablePositionalOptions()
    .allowExcessArguments()
    .option('-c, --config <file>', 'configuration file: .json, .yaml or .toml', 'config.json');
  addServerFlags(root).action(async ({ config: path, ...flags }: { config: string }) => {
    const [unknown] = root.args;
    if (unknown !== undefined) throw new CommandError(`there is no command "${unknown}"; gyre --help lists them`);
    await start(loadConfig({ path, env: io.env, flags, cwd: io.cwd }));
  });
  root.addHelpText('after', '\nEvery option can also be set by environment: GYRE_CLIENT_PING_INTERVAL=10s');
  for (const command of commands) root.addCommand(command(io));
  for (const command of [root, ...root.commands]) {
    command.exitOverride().showHelpAfterError('(--help lists what is possible)');
    command.configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: (text) => io.err(text.trimEnd()),
    });
  }
  return root;
}
