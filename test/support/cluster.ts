/**
 * A whole process in one thread: workers with real rings, links, owners and edges, whose turns run when a seeded
 * scheduler says so. Stalled threads, full rings and crashes happen at the same points in every run of a seed.
 */
import { Edge } from '../../src/channels/edge.js';
import { Owner } from '../../src/channels/owner.js';
import type { HistoryOptions } from '../../src/channels/streams.js';
import type { Broker, BrokerSink } from '../../src/engine/engine.js';
import { MemoryBroker } from '../../src/engine/memory/broker.js';
import { MemoryPresence } from '../../src/engine/memory/presence.js';
import { ManualClock } from '../../src/lib/clock.js';
import { Turn } from '../../src/lib/turn.js';
import { Calls } from '../../src/mesh/calls.js';
import { Mesh } from '../../src/mesh/mesh.js';
import { createReplacementWires, createWires, type Wires } from '../../src/mesh/wires.js';

/** Seeded pseudo-random numbers (mulberry32). */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  below(n: number): number {
    return Math.floor(this.next() * n);
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

export class SimThread {
  readonly mesh: Mesh;
  readonly calls: Calls;
  readonly edge: Edge;
  readonly owner: Owner | undefined;
  readonly turn: Turn;
  run: (() => void) | undefined;
  dead = false;
  /** Turns during which the scheduler passes over it. */
  stalledFor = 0;

  constructor(
    wires: Wires,
    readonly cluster: Cluster,
  ) {
    this.turn = new Turn({ before: () => this.mesh.drain(), after: () => this.mesh.publish() }, (run) => {
      this.run = run;
    });
    const schedule = (): void => this.turn.schedule();
    const doorbell = {
      ring: (slot: number) => cluster.threads[slot]?.turn.schedule(),
      arm: (hasWork: () => boolean) => {
        if (hasWork()) schedule();
      },
      close: () => {},
    };
    this.mesh = new Mesh(wires, schedule, doorbell, (run) => run());
    this.calls = new Calls(this.mesh, cluster.clock);
    const { mesh, calls, turn } = this;
    this.edge = new Edge({ mesh, calls, turn, clock: cluster.clock, owners: cluster.workers });
    if (wires.self < cluster.workers)
      this.owner = new Owner({
        mesh,
        calls,
        broker: (sink) => cluster.openBroker(sink, wires.self),
        presence: new MemoryPresence(cluster.clock),
        history: () => cluster.history,
        recoveryMaxPublications: 300,
        lingerMs: cluster.lingerMs,
        positionCheckMs: 0,
        later: (ms, run) => cluster.later(ms, run),
        log: { error: (fields) => cluster.errors.push(fields) },
      });
  }

  get slot(): number {
    return this.mesh.self;
  }
}

export class Cluster {
  readonly clock = new ManualClock(1_700_000_000_000);
  readonly errors: object[] = [];
  readonly threads: SimThread[] = [];
  history: HistoryOptions = { size: 100, ttlMs: 60_000, metaTtlMs: 600_000 };
  readonly #bells: SharedArrayBuffer;
  #timers: { atMs: number; run: () => void }[] = [];
  #epochs = 0;

  /**
   * @param openBroker  of the owner in `slot`; its own memory by default.
   * @param lingerMs  of unused channels.
   */
  constructor(
    readonly workers: number,
    readonly ringBytes: number,
    readonly random: Random,
    readonly openBroker: (sink: BrokerSink, slot: number) => Broker = (sink) =>
      new MemoryBroker(sink, { clock: this.clock, epoch: () => this.newEpoch() }),
    readonly lingerMs = 0,
  ) {
    const wires = createWires(workers, ringBytes);
    this.#bells = wires[0]!.bells;
    for (const set of wires) this.threads.push(new SimThread(set, this));
  }

  later(ms: number, run: () => void): void {
    this.#timers.push({ atMs: this.clock.now() + ms, run });
  }

  advance(ms: number): void {
    this.clock.advance(ms);
    const due = this.#timers.filter(({ atMs }) => atMs <= this.clock.now());
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.clock.now());
    for (const { run } of due) run();
    for (const { owner } of this.threads) owner?.checkLastSeen();
  }

  newEpoch(): string {
    return `epoch${String(this.#epochs++).padStart(3, '0')}`;
  }

  /** Run one turn of one thread that has something to do. @returns false if none has. */
  step(): boolean {
    const waiting = this.threads.filter((thread) => thread.run !== undefined);
    if (waiting.length === 0) return false;
    const ready = waiting.filter((thread) => thread.stalledFor-- <= 0);
    if (ready.length === 0) return true;
    const thread = this.random.pick(ready);
    const run = thread.run!;
    thread.run = undefined;
    run();
    return true;
  }

  /** Until nobody has anything to do. */
  settle(maxSteps = 200_000): void {
    for (const thread of this.threads) thread.stalledFor = 0;
    for (let i = 0; i < maxSteps; i++) if (!this.step()) return;
    throw new Error('the cluster does not come to rest');
  }

  /** The thread in `slot` dies at this point, with all it holds; a new one takes its place. */
  crash(slot: number): void {
    const old = this.threads[slot]!;
    old.dead = true;
    old.run = undefined;
    const { wires, rewires } = createReplacementWires(slot, this.workers, this.ringBytes, this.#bells);
    this.threads[slot] = new SimThread(wires, this);
    for (const [other, rewire] of rewires) this.threads[other]!.mesh.replace(rewire);
    this.threads[slot]!.turn.schedule();
  }
}
