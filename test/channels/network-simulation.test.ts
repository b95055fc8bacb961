/** The recovery promise where history and delivery are at the other end of a network that several nodes share. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Owner } from '../../src/channels/owner.js';
import type { BrokerSink } from '../../src/engine/engine.js';
import { ManualClock } from '../../src/lib/clock.js';
import { CALL_DEADLINE_MS } from '../../src/mesh/calls.js';
import { Cluster, Random } from '../support/cluster.js';
import { SimClient, Truth, type Wishes } from '../support/sim-client.js';
import { type SimBroker, SimRedis } from '../support/sim-redis.js';

interface Scenario {
  seed: number;
  nodes: number;
  workers: number;
  rounds: number;
  cuts?: boolean;
  failover?: boolean;
  crashes?: boolean;
  /** Before and during the failover all clients are away. */
  away?: boolean;
  ringBytes?: number;
  wishes?: readonly Wishes[];
}

const CHANNELS = Array.from({ length: 6 }, (_, i) => `channel${i}`);

const LINGER_MS = 20;
/** More than a feed lags behind in these runs. */
const HISTORY = { size: 1000, ttlMs: 600_000, metaTtlMs: 600_000 };

/** Publishers, subscribers and faults at once, then rest; every subscriber must be at the top of its channel. */
async function simulate(scenario: Scenario) {
  const random = new Random(scenario.seed);
  const clock = new ManualClock(1_700_000_000_000);
  const redis = new SimRedis(clock, random);
  const truth = new Truth();
  truth.predecessor = (n) => redis.before.get(n);
  truth.isAt = redis.isAt;
  const nodes = Array.from({ length: scenario.nodes }, () => openNode(scenario, redis, random));
  const wishes = scenario.wishes ?? [{}];
  const clients = Array.from(
    { length: 24 },
    (_, i) => new SimClient(CHANNELS[i % CHANNELS.length]!, nodes[0]!, truth, wishes[i % wishes.length]),
  );
  const worker = () => random.pick(nodes).threads[random.below(scenario.workers)]!;
  const reconnect = () => {
    for (const client of clients) if (client.needsConnection()) client.connect(worker());
  };
  const steps = async (count: number) => {
    for (; count > 0; count--) {
      for (const node of nodes) node.step();
      redis.step();
      await turn();
    }
  };
  const pass = (ms: number) => {
    clock.advance(ms);
    for (const node of nodes) node.advance(ms);
  };
  for (let round = 0; round < scenario.rounds; round++) {
    const half = scenario.rounds / 2;
    const isAway = scenario.away && round > half - 20 && round < half + 5;
    if (isAway) for (const client of clients) client.disconnect();
    else reconnect();
    for (let i = random.below(random.below(4) === 0 ? 30 : 4); i >= 0; i--)
      truth.publish(worker(), random.pick(CHANNELS), random.below(100));
    if (random.below(10) === 0) random.pick(clients).disconnect();
    if (scenario.cuts && random.below(15) === 0) redis.cutOne();
    if (scenario.crashes && random.below(50) === 0) random.pick(nodes).crash(random.below(scenario.workers));
    if (scenario.failover && round === Math.floor(scenario.rounds / 2)) redis.failover();
    await steps(1 + random.below(6));
    pass(5);
  }
  const settle = async () => {
    for (let i = 0; i < 60; i++) {
      await steps(20);
      pass(CALL_DEADLINE_MS / 20);
      for (const node of nodes) for (const thread of node.threads) thread.calls.sweep();
      reconnect();
    }
  };
  await settle();
  // One more publication on every channel shows that everybody is still live.
  for (const channel of CHANNELS) truth.publish(nodes[0]!.threads[0]!, channel, 1);
  await settle();
  return { nodes, clients, redis };
}

function openNode({ workers, ringBytes = 1 << 18 }: Scenario, redis: SimRedis, random: Random): Cluster {
  const connections = new Map<number, SimBroker>();
  const node = new Cluster(
    workers,
    ringBytes,
    random,
    (sink: BrokerSink, slot) => {
      const former = connections.get(slot);
      if (former !== undefined) redis.forget(former);
      const connection = redis.connect(sink);
      connections.set(slot, connection);
      return connection;
    },
    LINGER_MS,
  );
  node.history = HISTORY;
  return node;
}

const violations = (clients: SimClient[]): string[] => clients.flatMap((client) => client.violations);
const sum = (clients: SimClient[], of: (client: SimClient) => number): number =>
  clients.reduce((total, client) => total + of(client), 0);

function expectAllAtTheTop({ clients }: { clients: SimClient[] }): void {
  expect(violations(clients)).toEqual([]);
  expect(clients.every((client) => client.live)).toBe(true);
  const tops = new Map(clients.map((client) => [client.channel, client.offset]));
  for (const client of clients) expect(client.offset).toBe(tops.get(client.channel));
}

const seeds = (from: number, count: number) => Array.from({ length: count }, (_, i) => ({ seed: from + i }));

describe('the recovery promise over a network', () => {
  afterEach(() => vi.restoreAllMocks());

  it.each(seeds(0, 6))('replies and feed out of step, seed $seed', async ({ seed }) => {
    const run = await simulate({ seed, nodes: 2, workers: 2, rounds: 200 });
    expectAllAtTheTop(run);
    expect(sum(run.clients, (client) => client.delivered)).toBeGreaterThan(2000);
    // Nothing was lost on the way, so nobody is to be told so.
    expect(sum(run.clients, (client) => client.insufficient)).toBe(0);
  });

  it.each(seeds(100, 6))('broken connections, seed $seed', async ({ seed }) => {
    const run = await simulate({ seed, nodes: 2, workers: 2, rounds: 200, cuts: true });
    expectAllAtTheTop(run);
  });

  it.each(seeds(200, 8))('a failover that loses the ends of streams, seed $seed', async ({ seed }) => {
    const run = await simulate({ seed, nodes: 2, workers: 2, rounds: 200, cuts: true, failover: true });
    expectAllAtTheTop(run);
  });

  it.each(seeds(300, 6))('crashing workers, small rings, deltas and filters as well, seed $seed', async ({ seed }) => {
    const wishes = [{}, { delta: true }, { filtered: true }, { delta: true, filtered: true }];
    const run = await simulate({
      seed,
      nodes: 2,
      workers: 2,
      rounds: 200,
      cuts: true,
      crashes: true,
      ringBytes: 4096,
      wishes,
    });
    expect(violations(run.clients)).toEqual([]);
    expect(run.clients.every((client) => client.live)).toBe(true);
  });

  it.each(seeds(400, 6))('a failover while nobody follows, seed $seed', async ({ seed }) => {
    const { clients, redis } = await simulate({ seed, nodes: 2, workers: 2, rounds: 200, failover: true, away: true });
    expect(violations(clients)).toEqual([]);
    expect(redis.resets).toBeGreaterThan(0);
  });

  it('subscribers do not notice a broken connection as long as history has what was missed', async () => {
    const run = await simulate({ seed: 101, nodes: 1, workers: 2, rounds: 200, cuts: true });
    expectAllAtTheTop(run);
    expect(sum(run.clients, (client) => client.insufficient)).toBe(0);
  });

  const failovers = async () => {
    const runs = seeds(200, 8).map(({ seed }) => simulate({ seed, nodes: 2, workers: 2, rounds: 200, failover: true }));
    return (await Promise.all(runs)).flatMap((run) => run.clients);
  };

  it('a broken run is caught: interruptions are not minded', async () => {
    vi.spyOn(Owner.prototype, 'interrupted').mockImplementation(() => {});
    vi.spyOn(Owner.prototype, 'checkLastSeen').mockImplementation(() => {});
    expect(violations(await failovers()).length).toBeGreaterThan(0);
  });

  it('a broken run is caught: streams that lost their end keep their epoch', async () => {
    vi.spyOn(Owner.prototype, 'reset').mockImplementation(() => {});
    expect(violations(await failovers()).length).toBeGreaterThan(0);
  });
});
