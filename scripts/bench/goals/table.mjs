/**
 * The goals: what of an experiment (./experiments.mjs) is looked at, and what it should be.
 *
 *   of     from the results of one round, by variant; undefined or null where there is none. The median of all rounds counts
 *   min, max   the goal; one that has neither is only shown
 *   unit   of the value: × for ratios
 */
import { idleUs } from '../report/text.mjs';

const times = (value) => ({ unit: '×', ...value });

/** How many times as much for the same CPU time, or memory, as the other server. */
const cheaper =
  (cost) =>
  ({ a, b }) =>
    cost(b) / cost(a);
const inRelation =
  (cost) =>
  ({ a, b }) =>
    cost(a) / cost(b);

const perDelivery = (r) => r.cpu.per_delivery_us;
const perOperation = (r) => r.cpu.per_operation_us;
const withRedis = (r) => (r.cpu.server_total_s + r.cpu.redis_s) / r.counts.operations;
const latency = (key) => (r) => r.latency_us[key];
const microRow =
  (name, key) =>
  ({ a }) =>
    a.rows.find((row) => row.name === name)?.[key];
const MS = 1000;

const perCpuSecond = (id, experiment, what, min, cost) =>
  times({ id, experiment, what: `${what} per CPU-second`, of: cheaper(cost), min });

/** One that is compared, and beside it what of that the library alone would get. */
const withinLibrary = (id, experiment, what, min, cost) => [
  perCpuSecond(id, experiment, what, min, cost),
  times({
    id: `${id}-library`,
    experiment,
    what: 'the same, what a bare server of the library gets',
    of: ({ b, library }) => cost(b) / cost(library),
  }),
];

const spreadOver = (round) => {
  const costs = Object.values(round).map(perDelivery);
  return (Math.max(...costs) / Math.min(...costs) - 1) * 100;
};

const atLowRate = (subscribers) => {
  const [id, experiment] = [`G11-${subscribers}`, `latency-${subscribers}`];
  const to = `to ${subscribers.toLocaleString('en-US')} subscribers`;
  return [
    times({ id: `${id}-p50`, experiment, what: `latency p50 ${to}`, of: inRelation(latency('p50')), max: 1 }),
    times({ id: `${id}-p99`, experiment, what: `latency p99 ${to}`, of: inRelation(latency('p99')), max: 1 }),
    {
      id: `${id}-pause`,
      experiment,
      what: `longest until the first of ${subscribers.toLocaleString('en-US')} subscribers has it`,
      of: ({ a }) => a.first_us_max / MS,
      max: 10,
      unit: 'ms',
    },
    times({
      id: `${id}-loaded`,
      experiment: `${experiment}-loaded`,
      what: `latency p99 ${to}, loaded`,
      of: inRelation(latency('p99')),
      max: 0.5,
    }),
  ];
};

export const GOALS = [
  ...withinLibrary('G1', 'fanout-1000', '1 channel, 1,000 subscribers: deliveries', 1.4, perDelivery),
  times({
    id: 'G1-floor',
    experiment: 'fanout-1000',
    what: 'the same, of the kernel’s floor',
    of: ({ a }) => a.floor?.times,
    max: 1.25,
  }),
  perCpuSecond('G2', 'fanout-8000', '1 channel, 8,000 subscribers: deliveries', 1.4, perDelivery),
  perCpuSecond('G3', 'channels-2000', '2,000 channels × 1 subscriber: deliveries', 1.35, perDelivery),
  ...withinLibrary('G4', 'batch-16', '16 publications at a time: deliveries', 2.8, perDelivery),
  perCpuSecond('G5', 'batch-64', '64 publications at a time: deliveries', 5, perDelivery),
  {
    id: 'G6',
    experiment: 'idle',
    what: 'RSS per idle connection',
    of: ({ a }) => a.memory.per_connection / 1024,
    max: 3.2,
    unit: 'KB',
  },
  times({
    id: 'G6-ratio',
    experiment: 'idle',
    what: 'connections per RSS',
    of: cheaper((r) => r.memory.per_connection),
    min: 8,
  }),
  times({ id: 'G7', experiment: 'idle', what: 'idle connections per CPU', of: cheaper(idleUs), min: 8 }),
  {
    id: 'G7-nobody',
    experiment: 'nobody',
    what: 'CPU without connections, A',
    of: ({ a }) => ownTimers(a),
    unit: 'ms/s',
  },
  {
    id: 'G7-nobody-b',
    experiment: 'nobody',
    what: 'CPU without connections, B',
    of: ({ b }) => ownTimers(b),
    unit: 'ms/s',
  },
  ...withinLibrary('G8', 'publish', '/api/publish, kept alive: requests', 2, perOperation),
  ...withinLibrary('G8-batch', 'publish-batch', '/api/batch of 100: commands', 4, perOperation),
  ...withinLibrary('G9', 'connect', 'connect, HS256 token, 1 subscription: connections', 2.2, perOperation),
  ...withinLibrary('G10-100', 'recover-100', 'reconnect and recover 100: sessions', 2.2, perOperation),
  ...withinLibrary('G10-1000', 'recover-1000', 'reconnect and recover 1,000: messages', 3, perDelivery),
  ...atLowRate(100),
  ...atLowRate(1000),
  {
    id: 'G12',
    experiment: 'redis-engine',
    what: 'Redis publish, batched, no history',
    of: microRow('publish', 'cpuUs'),
    max: 1,
    unit: 'µs',
  },
  times({
    id: 'G13',
    experiment: 'redis-publish',
    what: 'Redis publish with history: per CPU-second, Redis’ included',
    of: cheaper(withRedis),
    min: 1.2,
  }),
  {
    id: 'G13-cpu',
    experiment: 'redis-engine',
    what: 'Redis publish with history',
    of: microRow('publish with history', 'cpuUs'),
    max: 1.5,
    unit: 'µs',
  },
  {
    id: 'G14',
    experiment: 'redis-engine',
    what: 'Redis PUB/SUB, a message of 256 B',
    of: microRow('receive', 'cpuUs'),
    max: 1.5,
    unit: 'µs',
  },
  {
    id: 'G15-64',
    experiment: 'hop',
    what: 'hop between threads, 64 at a time',
    of: microRow('64 at a time', 'cpuUs'),
    max: 0.15,
    unit: 'µs',
  },
  {
    id: 'G15-1',
    experiment: 'hop',
    what: 'hop between threads, 1 at a time',
    of: microRow('1 at a time', 'cpuUs'),
    max: 2,
    unit: 'µs',
  },
  ...[
    ['G16', 'workers', '1,000 subscribers'],
    ['G16-8000', 'workers-8000', '8,000 subscribers'],
  ].map(([id, experiment, to]) => ({
    id,
    experiment,
    what: `CPU per delivery to ${to}, 1 to 16 workers: most over least`,
    of: spreadOver,
    max: 10,
    unit: '%',
  })),
  {
    id: 'G17-bytes',
    experiment: 'delta',
    what: 'fossil delta: bytes of the whole',
    of: (r) => (bytesEach(r.delta) / bytesEach(r['no delta'])) * 100,
    max: 16,
    unit: '%',
  },
  times({
    id: 'G17-cpu',
    experiment: 'delta',
    what: 'fossil delta: CPU per delivery, to no delta',
    of: (r) => perDelivery(r.delta) / perDelivery(r['no delta']),
    max: 1.1,
  }),
  times({
    id: 'G18',
    experiment: 'slow',
    what: '1 % stop reading, 10,000 deliveries/s: p99 of the others',
    of: (r) => latency('p99')(r['some stop']) / latency('p99')(r['all read']),
    max: 1.2,
  }),
  {
    id: 'G18-rss',
    experiment: 'slow',
    what: 'the same: more RSS per subscriber that stopped',
    of: (r) => moreRss(r['some stop'], r['all read']) / r['some stop'].counts.slow / 2 ** 20,
    max: 2,
    unit: 'MB',
  },
];

const ownTimers = (r) => (r.cpu.server_total_s * MS) / r.seconds;
const bytesEach = (r) => r.counts.received_bytes / r.counts.delivered;
const moreRss = (r, without) => Math.max(0, r.memory.server_rss_peak - without.memory.server_rss_peak);

/** @param {string | undefined} only  ids with commas; G1 is also G1-floor. @throws {RangeError} that names what is none */
export function chooseGoals(only) {
  if (only === undefined) return GOALS;
  const ids = only.split(',');
  const isMeant = (id, goal) => goal.id === id || goal.id.startsWith(`${id}-`);
  for (const id of ids)
    if (!GOALS.some((goal) => isMeant(id, goal)))
      throw new RangeError(`--only: ${id} is none of ${GOALS.map((goal) => goal.id).join(', ')}`);
  return GOALS.filter((goal) => ids.some((id) => isMeant(id, goal)));
}
