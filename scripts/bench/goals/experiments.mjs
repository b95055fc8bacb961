/**
 * What is measured for the goals of ./table.mjs. Several goals may look at the same experiment.
 *
 *   variants   what is run in turn, in this order and then in the opposite: `a` and `b`, or other names
 *              server: gyre, other (--with), or library (../bare.mjs); scenario and load, as on the command line; config: sections of server.json
 *              micro: a part of ../micro.mjs instead, of Gyre by itself
 *   floor      also what the kernel alone needs for variant a
 *   rounds     at most so many, where more would not say more
 *   loadTo     the rate is found at which the variant named here takes so large a share of the server's cores;
 *              `load.rate` is that of finding out
 *   saturates  the load is meant to be more than a server can do: one that has time left is told of
 *   together   on all cores, server and generator. Otherwise each has half of them (../lib/cores.mjs)
 *
 * Where efficiency is compared the server is the bottleneck. Where publishers wait for answers, or so many clients at most
 * come at a time, there is more to do than servers can. Where publications are pushed, the slower server is nearly at its
 * limit: beyond it publications would queue, and be joined by whoever lets them. Warm-ups are tens of thousands of
 * operations or deliveries, of which a server that is compiled while it runs needs that many (see Warm-up in ../README.md).
 */

/** The same load for both servers. */
const both = (scenario, load, more = {}) => ({
  a: { server: 'gyre', scenario, load, ...more },
  b: { server: 'other', scenario, load, ...more },
});

/** Also for what the library alone takes: more than that nobody can get who builds on it. */
const withLibrary = (scenario, load, how = { saturates: true }) => ({
  variants: { ...both(scenario, load), library: { server: 'library', scenario, load } },
  ...how,
});

const NEARLY_FULL = { share: 0.9, by: 'b' };
const LOADED = { share: 0.75, by: 'b' };

const latencyAt = (subscribers, rate) => ({
  subscribers,
  rate,
  size: 128,
  warmup: 8,
  'warmup-rate': Math.round(50_000 / subscribers),
  seconds: 5,
});

/** Each worker compiles for itself, and sees a sixteenth of the work where there are sixteen: warm-ups are long. */
const byWorkers = (load) => ({
  variants: Object.fromEntries(
    [1, 2, 4, 8, 16].map((count) => [
      `${count} workers`,
      { server: 'gyre', scenario: 'fanout', load: { ...load, warmup: 12 }, config: { workers: { count } } },
    ]),
  ),
  together: true,
  rounds: 3,
});

const BOOK = { subscribers: 500, rate: 60, payload: 'book', warmup: 3, seconds: 4 };
const FIREHOSE = { subscribers: 200, rate: 50, size: 8192, warmup: 3, seconds: 8 };
const CHANNELS = {
  subscribers: 2000,
  channels: 2000,
  rate: 80_000,
  publishers: 32,
  warmup: 6,
  'warmup-rate': 25_000,
  seconds: 2,
};

export const EXPERIMENTS = {
  'fanout-1000': withLibrary(
    'fanout',
    { subscribers: 1000, rate: 60, warmup: 3, seconds: 4 },
    { loadTo: NEARLY_FULL, floor: true },
  ),
  'fanout-8000': {
    variants: both('fanout', { subscribers: 8000, rate: 6, warmup: 3, seconds: 4 }),
    loadTo: NEARLY_FULL,
  },
  // Two workers, also on one core: most publications come to another worker than the owner.
  'channels-2000': {
    variants: {
      a: { server: 'gyre', scenario: 'channels', load: CHANNELS, config: { workers: { count: 2 } } },
      b: { server: 'other', scenario: 'channels', load: CHANNELS },
    },
    saturates: true,
  },
  'batch-16': withLibrary(
    'fanout',
    { subscribers: 1000, rate: 96, api: 'batch', batch: 16, warmup: 4, seconds: 4 },
    { loadTo: NEARLY_FULL },
  ),
  'batch-64': {
    variants: both('fanout', { subscribers: 1000, rate: 192, api: 'batch', batch: 64, warmup: 4, seconds: 4 }),
    loadTo: NEARLY_FULL,
  },
  // Pings come every 25 s: two from each server, answered. A server that collects garbage has most of it from connecting.
  idle: { variants: both('idle', { subscribers: 15_000, channels: 15_000, warmup: 25, seconds: 50 }), rounds: 3 },
  nobody: { variants: both('idle', { subscribers: 0, channels: 1, warmup: 20, seconds: 15 }), rounds: 2 },
  // More than fast machines can do, so warm-ups have a rate of their own.
  publish: withLibrary('publish', { rate: 100_000, publishers: 64, warmup: 4, 'warmup-rate': 40_000, seconds: 2 }),
  'publish-batch': withLibrary('publish', {
    rate: 900_000,
    api: 'batch',
    batch: 100,
    publishers: 8,
    warmup: 4,
    'warmup-rate': 250_000,
    seconds: 1.5,
  }),
  connect: withLibrary('connect', { rate: 18_000, warmup: 6, 'warmup-rate': 5000, seconds: 2 }),
  // The first to come back to a channel take all publications over the link to its owner. A warm-up that begins with a
  // thousand of them at once may find it full, and be told so (111).
  'recover-100': withLibrary('recover', { missed: 100, rate: 14_000, warmup: 8, 'warmup-rate': 2500, seconds: 2 }),
  'recover-1000': withLibrary('recover', { missed: 1000, rate: 3500, warmup: 5, 'warmup-rate': 1000, seconds: 2.5 }),
  'latency-100': { variants: both('fanout', latencyAt(100, 20)) },
  'latency-1000': { variants: both('fanout', latencyAt(1000, 10)) },
  'latency-100-loaded': { variants: both('fanout', latencyAt(100, 300)), loadTo: LOADED },
  'latency-1000-loaded': { variants: both('fanout', latencyAt(1000, 60)), loadTo: LOADED },
  'redis-engine': { variants: { a: { micro: 'redis', flags: ['--milliseconds', '2000'] } }, rounds: 3 },
  'redis-publish': {
    variants: both(
      'publish',
      { rate: 10_000, api: 'batch', batch: 64, publishers: 2, history: 'on', warmup: 4, seconds: 4 },
      { redis: true },
    ),
  },
  hop: { variants: { a: { micro: 'hop', flags: ['--milliseconds', '2000'] } }, rounds: 3 },
  workers: byWorkers({ subscribers: 1000, rate: 40, 'warmup-rate': 150, seconds: 3 }),
  // As many deliveries, but eight times as many each time that a worker is woken.
  'workers-8000': byWorkers({ subscribers: 8000, rate: 5, 'warmup-rate': 20, seconds: 4 }),
  delta: {
    variants: {
      'no delta': { server: 'gyre', scenario: 'fanout', load: BOOK },
      delta: { server: 'gyre', scenario: 'fanout', load: { ...BOOK, delta: 'fossil' } },
    },
  },
  slow: {
    variants: {
      'all read': { server: 'gyre', scenario: 'fanout', load: FIREHOSE },
      'some stop': { server: 'gyre', scenario: 'slow', load: FIREHOSE },
    },
  },
};
