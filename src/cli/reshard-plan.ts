import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { Config } from '../config/config.js';
import { loadConfig } from '../config/load.js';
import { brokerSection, presenceSection } from '../config/redis/sections.js';
import { CommandError, type Io } from './io.js';
import { planResharding, type ReshardPlan, type Side } from './reshard.js';

const MADE_UP_CHANNELS = 100_000;
/** The exit code when channels would lose their history. */
const LOSES_HISTORY = 2;

interface Options {
  config: string[];
  channels?: string;
  json?: boolean;
}

export const reshardPlanCommand = (io: Io): Command =>
  new Command('reshard-plan')
    .description('show which channels change their Redis shard when a configuration replaces another')
    .requiredOption('-c, --config <file>', 'twice: the configuration that runs, and the one to come', collect, [])
    .option('--channels <file>', 'names of channels, one a line; by default 100,000 made-up ones are looked at')
    .option('--json', 'print it as JSON')
    .addHelpText('after', '\nIt ends with exit code 2 when channels would lose their history.')
    .action((options: Options) => show(options, io));

const collect = (path: string, paths: string[]): string[] => [...paths, path];

function show({ config: paths, channels: file, json }: Options, io: Io): void {
  if (paths.length !== 2) throw new CommandError('give two configurations: -c old.json -c new.json');
  const [old, now] = paths.map((path) => load(path, io)) as [Config, Config];
  const channels = file === undefined ? madeUp() : readChannels(resolve(io.cwd, file), file);
  const plans: Record<string, ReshardPlan> = { broker: plan(brokerSection, old, now, channels) };
  if (hasOwnPresence(old) || hasOwnPresence(now)) plans.presence = plan(presenceSection, old, now, channels);

  if (json) io.out(JSON.stringify(plans, undefined, 2));
  else
    io.out(
      Object.entries(plans)
        .map(([part, it]) => render(part, it, file === undefined))
        .join('\n\n'),
    );
  // Presence comes back by itself.
  if (!plans.broker!.keepsHistory) throw new CommandError('channels would lose their history', LOSES_HISTORY);
}

function load(path: string, io: Io): Config {
  const { config, meta } = loadConfig({ path, env: io.env, cwd: io.cwd });
  if (!meta.fileFound) throw new CommandError(`${path}: no such file`);
  return config;
}

function plan(
  section: (config: Config) => Side | undefined,
  old: Config,
  now: Config,
  channels: string[],
): ReshardPlan {
  const [from, to] = [section(old), section(now)];
  if (from === undefined || to === undefined) {
    throw new CommandError(`the ${from === undefined ? 'first' : 'second'} configuration does not use Redis`);
  }
  return planResharding(from, to, channels);
}

const hasOwnPresence = (config: Config): boolean => presenceSection(config)?.at !== brokerSection(config)?.at;

const madeUp = (): string[] => Array.from({ length: MADE_UP_CHANNELS }, (_, i) => `channel:${i}`);

function readChannels(path: string, shown: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new CommandError(`${shown}: no such file`);
  }
  const channels = text.split(/\r?\n/).filter((line) => line !== '');
  if (channels.length === 0) throw new CommandError(`${shown}: names no channels`);
  return channels;
}

// ---- for people ----

function render(
  part: string,
  { channels, moved, shards, moves, keepsHistory, warnings }: ReshardPlan,
  madeUp: boolean,
) {
  const share = (count: number): string => `${((100 * count) / channels).toFixed(1)} %`;
  const what = madeUp ? 'made-up channel names' : 'channels';
  const history = keepsHistory || part !== 'broker' ? '' : ', and lose their history';
  const blocks = [`${part}: ${share(moved)} of ${channels} ${what} move to another shard${moved > 0 ? history : ''}`];
  const rows = shards.map((it) => {
    return [it.name, it.place, it.status, share(it.before), share(it.after), share(it.leave), share(it.arrive)];
  });
  blocks.push(table(['shard', 'place', '', 'before', 'after', 'leave', 'arrive'], rows, 3));
  if (moves.length > 0) {
    const moveRows = moves.map((move) => [move.from, move.to, String(move.channels), share(move.channels)]);
    blocks.push(table(['from', 'to', 'channels', ''], moveRows, 2));
  }
  if (warnings.length > 0) blocks.push(warnings.map((warning) => `warning: ${warning}`).join('\n'));
  return blocks.join('\n\n');
}

/** @param texts  columns that are aligned on the left; those that follow are numbers. */
function table(head: string[], rows: string[][], texts: number): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const line = (row: string[]): string =>
    row
      .map((cell, i) => (i < texts ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  return all.map(line).join('\n');
}
