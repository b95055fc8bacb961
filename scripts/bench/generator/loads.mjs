/**
 * What each scenario does. A load is given the bench, runs to its end and returns
 *   {counts, meter, problems, more}   counts and meter as measured, problems that make the run void, more for the result
 * after it called bench.begin(), which decides the times, and before bench.end().
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { rssBytes } from '../lib/processes.mjs';
import { Api } from './api.mjs';
import { micros, openLoop } from './clock.mjs';
import { Crew } from './crew.mjs';
import { Meter } from './meter.mjs';
import { fill, publish } from './publishing.mjs';

const QUIET_SECONDS = 1;
const IDLE_STEPS = 6;
const IDLE_STEPS_BEFORE = 2;

const sum = (parts, of) => parts.reduce((total, part) => total + of(part), 0);
const problem = (count, what, why) => (count > 0 ? [`${count} ${what}${why ? ` (${why})` : ''}`] : []);
const firstWhy = (parts) => parts.find(({ why }) => why)?.why;

function addUp(fromUs, parts) {
  const meter = new Meter(fromUs);
  for (const part of parts) meter.add(part.meter);
  return meter;
}

/** Operations have turns with the threads, so where they are those of publishers each thread needs one. */
const onFewThreads = (options) => ({ ...options, threads: Math.min(options.threads, options.publishers) });

async function withCrew(role, options, use) {
  const crew = new Crew(role, options);
  try {
    return await use(crew);
  } finally {
    await crew.close();
  }
}

/** fanout, channels, slow: publications through the API, and subscribers that must get all of them. */
export const publishToSubscribers = (bench) => {
  const options = {
    ...bench.options,
    prefix: bench.channelPrefix(bench.options.payload === 'book' ? 'benchdelta' : 'bench'),
  };
  return withCrew('subscribers', options, async (crew) => {
    await crew.answers('ready');
    const plan = bench.begin();
    crew.cue('go', plan);
    let operations = 0;
    const onAnswer = (dueUs, count) => {
      if (dueUs >= plan.fromUs) operations += count;
    };
    const published = await publish(options, { ...plan, onAnswer });
    crew.cue('published', published.perChannel);
    const parts = await crew.results(bench.drainMs);
    const meter = addUp(plan.fromUs, parts);
    meter.operations = operations;
    return {
      meter,
      counts: { published: operations, errors: published.errors, connections: options.subscribers },
      problems: [
        ...problem(published.errors, 'publish requests failed', published.why),
        ...problem(
          sum(parts, (part) => part.faults),
          'publications out of order, repeated or missing in between',
        ),
        ...problem(
          sum(parts, (part) => part.short),
          'subscribers did not get everything',
        ),
        ...problem(
          sum(parts, (part) => part.lost),
          'connections were lost',
          firstWhy(parts),
        ),
      ],
      more:
        options.scenario === 'slow'
          ? { slow: sum(parts, (p) => p.slow), slow_closed: sum(parts, (p) => p.slowClosed) }
          : {},
    };
  });
};

/** publish: requests to the API, timed until they are answered. */
export async function publishOnly(bench) {
  const prefix = bench.channelPrefix(bench.options.history === 'on' ? 'benchhist' : 'bench');
  const plan = bench.begin();
  const meter = new Meter(plan.fromUs);
  const onAnswer = (dueUs, count) => {
    const now = micros();
    meter.operation(dueUs, now, count);
    meter.time(dueUs, now);
  };
  const { errors, why } = await publish({ ...bench.options, prefix }, { ...plan, onAnswer });
  const counts = { published: meter.operations, errors, connections: bench.options.publishers };
  return { meter, counts, problems: problem(errors, 'publish requests failed', why) };
}

/** history: reads of whole histories, timed until they are there. */
export async function readHistory(bench) {
  const options = { ...bench.options, prefix: bench.channelPrefix('benchhist') };
  await fill(options);
  const api = new Api(options, options.publishers);
  const plan = bench.begin();
  const meter = new Meter(plan.fromUs);
  const failures = [];
  const pending = new Set();
  const read = async (i, dueUs) => {
    const channel = `${options.prefix}${i % options.channels}`;
    const { publications } = await api.call('history', { channel, limit: -1 });
    if (publications.length !== options.missed)
      throw new Error(`${publications.length} of ${options.missed} publications`);
    const now = micros();
    meter.operation(dueUs, now);
    meter.delivery(dueUs, now, publications.length);
    meter.time(dueUs, now);
  };
  await openLoop(plan, (i, dueUs) => {
    const one = read(i, dueUs)
      .catch((error) => failures.push(error.message))
      .finally(() => pending.delete(one));
    pending.add(one);
  });
  await Promise.all(pending);
  api.close();
  const counts = { published: 0, errors: failures.length, connections: options.publishers };
  return { meter, counts, problems: problem(failures.length, 'reads failed', failures[0]) };
}

/** connect and recover: connections at a rate. */
export const comeAndGo = (bench) => {
  const recovers = bench.options.scenario === 'recover';
  const options = { ...bench.options, prefix: bench.channelPrefix(recovers ? 'benchhist' : 'bench') };
  return withCrew('sessions', options, async (crew) => {
    await crew.answers('ready');
    const positions = recovers ? await fill(options) : null;
    return runOperations(bench, crew, 'connections failed', { positions });
  });
};

/** rpc: round trips over standing connections. */
export const callOverConnections = (bench) =>
  withCrew('callers', onFewThreads(bench.options), async (crew) => {
    await crew.answers('ready');
    return runOperations(bench, crew, 'calls failed');
  });

/** presence: joins and leaves, of which all watchers are told. */
export const joinAndLeave = (bench) => {
  const options = { ...onFewThreads(bench.options), prefix: bench.channelPrefix('benchpres') };
  return withCrew('visitors', options, async (crew) => {
    await crew.answers('ready');
    const visited = crew.answers('visited', bench.drainMs + bench.runMs);
    visited.then((visits) => crew.cue('visits', visits)).catch(() => crew.cue('stop'));
    return runOperations(bench, crew, 'subscriptions failed');
  });
};

async function runOperations(bench, crew, what, cue = {}) {
  const plan = bench.begin();
  crew.cue('go', { ...plan, ...cue });
  const parts = await crew.results(bench.runMs + bench.drainMs);
  const meter = addUp(plan.fromUs, parts);
  const errors = sum(parts, (part) => part.errors);
  const untold = sum(parts, (part) => Math.abs((part.expected ?? 0) - (part.told ?? 0)));
  const { subscribers, publishers, scenario } = bench.options;
  const connections = ['connect', 'recover'].includes(scenario) ? plan.count : subscribers + publishers;
  return {
    meter,
    counts: { published: 0, errors, connections },
    problems: [...problem(errors, what, firstWhy(parts)), ...problem(untold, 'joins and leaves missing or repeated')],
    more: parts[0].method ? { method: parts[0].method } : {},
  };
}

/**
 * idle: connections are opened in steps, so that what the process weighs by itself does not count, and then left alone.
 * Memory is read after a second of quiet, or after the warm-up if that is shorter. The first steps do not count either: what
 * a server makes room for then serves the later ones too.
 */
export const standStill = (bench) => {
  const { options } = bench;
  const crewOptions = { ...options, prefix: bench.channelPrefix('bench') };
  return withCrew('holders', crewOptions, async (crew) => {
    await crew.answers('ready');
    crew.cue('go', { steps: IDLE_STEPS });
    const { pid, subscribers, warmup } = options;
    const points = [];
    for (let step = 0; step < IDLE_STEPS; step++) {
      const to = Math.round((subscribers * (step + 1)) / IDLE_STEPS);
      const opened = crew.answers(`opened ${step}`);
      crew.cue(`open ${step}`, { from: Math.round((subscribers * step) / IDLE_STEPS), to });
      await opened;
      await sleep(Math.min(warmup, QUIET_SECONDS) * 1000);
      if (step + 1 >= IDLE_STEPS_BEFORE) points.push({ x: to, y: pid && rssBytes(pid) });
    }
    const plan = bench.begin();
    await sleep((plan.untilUs - micros()) / 1000);
    const used = await bench.end();
    const parts = await crew.results(0);
    return {
      used,
      meter: Object.assign(new Meter(plan.fromUs), { operations: subscribers }),
      counts: { published: 0, errors: 0, connections: subscribers },
      problems: problem(
        sum(parts, ({ lost }) => lost),
        'connections were lost',
        firstWhy(parts),
      ),
      more: pid && subscribers > IDLE_STEPS ? { per_connection: Math.round(slope(points)) } : {},
    };
  });
};

/** Least-squares slope of y over x. */
function slope(points) {
  const mean = (pick) => sum(points, pick) / points.length;
  const [mx, my] = [mean((p) => p.x), mean((p) => p.y)];
  return sum(points, ({ x, y }) => (x - mx) * (y - my)) / sum(points, ({ x }) => (x - mx) ** 2);
}
