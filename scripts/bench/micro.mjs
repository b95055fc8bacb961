/**
 * What parts of the server cost by themselves, next to other ways to do the same.
 *
 *   npm run bench:micro [-- --part codecs --milliseconds 1000]
 *
 * Between threads repeats go through all candidates in turn and the median counts, so that drift of the machine hits all
 * alike. The last line is JSON. Exit code 1 when records were lost or out of order: the numbers mean nothing then.
 */
import { spawnSync } from 'node:child_process';
import { commandLine, runBench } from './lib/cli.mjs';
import { parts as codeParts, measureCode } from './micro/code.mjs';
import { measureHops } from './micro/hop.mjs';
import { measurePublish } from './micro/publish.mjs';
import { measureRedis } from './micro/redis.mjs';
import { oneThread, twoThreads } from './micro/threads.mjs';

const THREADS = 'threads';
/** With a function that measures them. */
const MEASURED = {
  hop: measureHops,
  publish: measurePublish,
  redis: measureRedis,
  ...Object.fromEntries(Object.keys(codeParts).map((part) => [part, (options) => measureCode(part, options)])),
};
const PARTS = [THREADS, ...Object.keys(MEASURED)];

/** Here; one that is asked for by name says what it lacks. */
const isPossible = (part) => part !== 'redis' || spawnSync('redis-server', ['--version']).status === 0;

const DEFAULTS = {
  part: 'all', // or one of the parts
  records: '1000000', // of 256 bytes, one way; fewer of larger ones
  rounds: '20000', // there and back
  repeats: '3',
  milliseconds: '300', // for each measurement within one thread
  'warmup-operations': '400000', // before each of those with Redis
  ring: '1048576', // bytes of a ring, and under way in a MessagePort
};

const rounded = (value) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value);
const roundedRow = (row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, rounded(value)]));

await runBench(async () => {
  const { args, number } = commandLine(DEFAULTS);
  if (args.part !== 'all' && !PARTS.includes(args.part))
    throw new RangeError(`--part must be all or one of ${PARTS.join(', ')}`);
  const options = {
    records: number('records', 1, 1_000_000_000),
    rounds: number('rounds', 1, 100_000_000),
    repeats: number('repeats', 1, 100),
    milliseconds: number('milliseconds', 1, 60_000),
    warmupOperations: number('warmup-operations', 1, 100_000_000),
    ring: 2 ** Math.floor(Math.log2(number('ring', 65_536, 1 << 30))),
  };
  const report = {};
  const tell = (title, rows) => {
    report[title] = rows.map(roundedRow);
    console.log(title);
    console.table(report[title]);
  };
  for (const part of args.part === 'all' ? PARTS.filter(isPossible) : [args.part]) {
    if (part === THREADS) {
      tell('oneThread', await oneThread(options));
      for (const [title, rows] of Object.entries(await twoThreads(options))) tell(title, rows);
    } else tell(part, await MEASURED[part](options));
  }
  console.log(JSON.stringify({ bench: 'micro', node: process.version, ...options, ...report }));
  return !Object.values(report).some((rows) => rows.some((row) => Object.values(row).includes(null)));
});
