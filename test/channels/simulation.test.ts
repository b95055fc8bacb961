import { afterEach, describe, expect, it, vi } from 'vitest';
import { EdgeChannel } from '../../src/channels/edge-channel.js';
import { CALL_DEADLINE_MS } from '../../src/mesh/calls.js';
import { OWED_MAX_BYTES } from '../../src/mesh/link.js';
import { RecordKind } from '../../src/mesh/records.js';
import { Cluster, Random, type SimThread } from '../support/cluster.js';
import { SimClient, Truth, type Wishes } from '../support/sim-client.js';

interface Scenario {
  seed: number;
  workers: number;
  ringBytes: number;
  rounds: number;
  crashes: boolean;
  /** Links that owe something owe so much at times that it does not fit any more. */
  overflows?: boolean;
  wishes?: readonly Wishes[];
}

/** A mark for a channel that nobody has: it takes half of the room for what is owed, and nobody minds it. */
const half = Buffer.alloc(OWED_MAX_BYTES / 2);
half[0] = RecordKind.lost;

function overload(thread: SimThread): void {
  for (const { slot } of thread.cluster.threads) {
    const link = thread.mesh.link(slot);
    if (link.owes) for (let i = 0; i < 2; i++) link.mustSend(half);
  }
}

/** Publishers, subscribers and faults at once, then rest; every subscriber must be at the top of its channel. */
function simulate(scenario: Scenario) {
  const random = new Random(scenario.seed);
  const cluster = new Cluster(scenario.workers, scenario.ringBytes, random);
  const truth = new Truth();
  const wishes = scenario.wishes ?? [{}];
  const channels = Array.from({ length: 6 }, (_, i) => `channel${i}`);
  const clients = Array.from(
    { length: 24 },
    (_, i) => new SimClient(channels[i % channels.length]!, cluster, truth, wishes[i % wishes.length]),
  );
  const worker = () => cluster.threads[random.below(scenario.workers)]!;
  const reconnect = () => {
    for (const client of clients) if (client.needsConnection()) client.connect(worker());
  };
  for (let round = 0; round < scenario.rounds; round++) {
    reconnect();
    const burst = random.below(4) === 0 ? 40 : 4;
    for (let i = random.below(burst); i >= 0; i--) {
      const thread = random.pick(cluster.threads);
      truth.publish(thread, random.pick(channels), random.below(200));
      // As a request to the API does.
      if (thread.stalledFor === 0 && random.below(3) === 0) thread.mesh.drainOwn();
    }
    if (random.below(6) === 0) worker().stalledFor = random.below(30);
    if (random.below(10) === 0) random.pick(clients).disconnect();
    if (scenario.crashes && random.below(40) === 0) cluster.crash(random.below(scenario.workers));
    if (scenario.overflows) overload(worker());
    for (let i = random.below(12); i > 0; i--) cluster.step();
    cluster.advance(5);
  }
  for (let i = 0; i < 20; i++) {
    cluster.settle();
    cluster.advance(CALL_DEADLINE_MS / 10);
    for (const thread of cluster.threads) thread.calls.sweep();
    reconnect();
  }
  // One more publication on every channel shows that everybody is still live.
  for (const channel of channels) truth.publish(cluster.threads[0]!, channel, 1);
  cluster.settle();
  return { cluster, clients };
}

const overflowing: Scenario = {
  seed: 0,
  workers: 3,
  ringBytes: 4096,
  rounds: 300,
  crashes: false,
  overflows: true,
  wishes: [{}, { delta: true }],
};

const violations = (clients: SimClient[]): string[] => clients.flatMap((client) => client.violations);
const sum = (clients: SimClient[], of: (client: SimClient) => number): number =>
  clients.reduce((total, client) => total + of(client), 0);

describe('the recovery promise under faults', () => {
  afterEach(() => vi.restoreAllMocks());

  it.each(Array.from({ length: 12 }, (_, seed) => ({ seed })))('full rings and stalled threads, seed $seed', ({
    seed,
  }) => {
    const { cluster, clients } = simulate({ seed, workers: 4, ringBytes: 4096, rounds: 400, crashes: false });
    expect(violations(clients)).toEqual([]);
    expect(cluster.errors).toEqual([]);
    expect(cluster.threads.some(({ mesh }) => cluster.threads.some(({ slot }) => mesh.link(slot).owes))).toBe(false);
    expect(clients.every((client) => client.live)).toBe(true);
    expect(sum(clients, (client) => client.delivered)).toBeGreaterThan(1000);
    const tops = new Map(clients.map((client) => [client.channel, client.offset]));
    for (const client of clients) expect(client.offset).toBe(tops.get(client.channel));
  });

  it.each(Array.from({ length: 12 }, (_, seed) => ({ seed })))('crashing workers as well, seed $seed', ({ seed }) => {
    const { clients } = simulate({ seed: 1000 + seed, workers: 3, ringBytes: 8192, rounds: 600, crashes: true });
    expect(violations(clients)).toEqual([]);
    expect(clients.every((client) => client.live)).toBe(true);
    expect(sum(clients, (client) => client.resets)).toBeGreaterThan(0);
  });

  it.each(Array.from({ length: 8 }, (_, seed) => ({ seed })))('deltas and filters, seed $seed', ({ seed }) => {
    const { clients } = simulate({
      seed: 2000 + seed,
      workers: 3,
      ringBytes: seed % 2 === 0 ? 4096 : 16_384,
      rounds: 400,
      crashes: seed % 4 === 3,
      wishes: [{}, { delta: true }, { filtered: true }, { delta: true, filtered: true }, { delta: true }],
    });
    expect(violations(clients)).toEqual([]);
    expect(clients.every((client) => client.live)).toBe(true);
    expect(sum(clients, (client) => client.patches)).toBeGreaterThan(200);
  });

  it.each(Array.from({ length: 8 }, (_, seed) => ({ seed })))('what is owed overflows, seed $seed', ({ seed }) => {
    const { cluster, clients } = simulate({ ...overflowing, seed: 3000 + seed });
    expect(violations(clients)).toEqual([]);
    expect(clients.every((client) => client.live)).toBe(true);
    const overflows = cluster.threads.flatMap(({ mesh }) =>
      cluster.threads.map(({ slot }) => mesh.link(slot).counters.overflows),
    );
    expect(Math.max(...overflows)).toBeGreaterThan(0);
  });

  it('one worker alone', () => {
    const { clients } = simulate({ seed: 7, workers: 1, ringBytes: 4096, rounds: 300, crashes: false });
    expect(violations(clients)).toEqual([]);
    expect(clients.every((client) => client.live)).toBe(true);
  });

  it('losses do happen in these runs, and are told', () => {
    const { cluster, clients } = simulate({ seed: 3, workers: 4, ringBytes: 4096, rounds: 400, crashes: false });
    const lost = cluster.threads.reduce((total, thread) => total + (thread.owner?.counters.lostPublications ?? 0), 0);
    expect(lost).toBeGreaterThan(0);
    expect(sum(clients, (client) => client.insufficient)).toBeGreaterThan(0);
  });

  it('a broken run is caught: losses not told to members', () => {
    vi.spyOn(EdgeChannel.prototype, 'lose').mockImplementation(() => {});
    const { clients } = simulate({ seed: 3, workers: 4, ringBytes: 4096, rounds: 400, crashes: false });
    expect(violations(clients).length).toBeGreaterThan(0);
  });

  it('a broken run is caught: members that go on after a loss', () => {
    const { clients } = simulate({
      seed: 3,
      workers: 4,
      ringBytes: 4096,
      rounds: 400,
      crashes: false,
      wishes: [{ heedsInsufficientState: false }],
    });
    expect(violations(clients).length).toBeGreaterThan(0);
  });
});
