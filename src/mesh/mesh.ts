/**
 * A thread's place on the mesh: its links to every slot (itself included), the rings it reads, and its doorbell.
 *
 * Contract. Records from one slot to another arrive in the order sent, each once, or not at all when that thread dies.
 * Handlers run at the end of a turn (see lib/turn.ts), of the link of a thread to itself also when it says so, but never
 * inside the call that sent the record: ordering and the full-ring rule are the same everywhere.
 */
import { receiveMessageOnPort } from 'node:worker_threads';
import { ByteReader } from '../lib/bytes.js';
import { type RecordHandler, RingReader } from '../lib/ring.js';
import type { Doorbell } from './doorbell.js';
import { Link, SHOWN } from './link.js';
import { Marks } from './marks.js';
import { RECORD_KINDS, RecordKind } from './records.js';
import type { Rewire, WireEnd, Wires } from './wires.js';

/** `record` stands behind the kind byte and is only valid during the call. */
export type KindHandler = (record: ByteReader, from: number) => void;

/** How often a turn looks at its own link again before it lets sockets have their turn. */
const SELF_ROUNDS_MAX = 16;

/** How soon a full ring is looked at again for what is owed. A turn at once would have the thread spin until then. */
const OWED_RETRY_MS = 1;

class Inlet {
  readonly ring: RingReader;
  readonly handle: RecordHandler;
  constructor(
    readonly end: WireEnd,
    dispatch: (memory: Buffer, start: number, end: number) => void,
  ) {
    this.ring = new RingReader(end.ring);
    const oversizeBytes = new Int32Array(end.oversizeBytes);
    this.handle = (memory, start, stop) => {
      if (memory[start] !== RecordKind.oversize) return dispatch(memory, start, stop);
      const received = receiveMessageOnPort(end.port);
      if (!received) throw new Error('an oversize record was announced but not posted');
      const large = Buffer.from(received.message as ArrayBuffer);
      Atomics.sub(oversizeBytes, 0, large.length);
      dispatch(large, 0, large.length);
    };
  }
}

export class Mesh {
  readonly self: number;
  readonly workers: number;
  readonly #links: Link[];
  readonly #inlets: Inlet[];
  readonly #handlers: (KindHandler | undefined)[] = new Array(RECORD_KINDS).fill(undefined);
  readonly #replaced: ((slot: number) => void)[] = [];
  readonly #reader = new ByteReader(Buffer.alloc(0));
  #retrying = false;
  readonly #marks: Marks;
  /** Marks are not to be relied on: wires are new, or a handler threw. */
  #marksMissing = true;
  /** Of one slot. */
  readonly #read = (slot: number): number => {
    const { ring, handle } = this.#inlets[slot]!;
    return ring.drain(handle);
  };
  readonly #hasWork = (): boolean => this.#marks.any || !this.#inlets[this.self]!.ring.isEmpty();

  /**
   * @param schedule  asks for an end-of-turn run, in which {@link drain}, then {@link publish} are called.
   * @param later  calls back in a moment.
   */
  constructor(
    wires: Wires,
    private readonly schedule: () => void,
    private readonly doorbell: Doorbell,
    private readonly later: (run: () => void) => void = (run) => void setTimeout(run, OWED_RETRY_MS).unref(),
  ) {
    this.self = wires.self;
    this.workers = wires.workers;
    this.#marks = new Marks(wires.bells, wires.self);
    this.#links = wires.outgoing.map((end) => new Link(end));
    this.#inlets = wires.incoming.map((end, from) => this.#inlet(end, from));
  }

  /** One handler a kind. */
  on(kind: number, handler: KindHandler): void {
    if (this.#handlers[kind]) throw new Error(`record kind ${kind} has a handler`);
    this.#handlers[kind] = handler;
  }

  /** Called after the thread in a slot was replaced and its wires are new: whatever it held is gone. */
  onReplaced(listener: (slot: number) => void): void {
    this.#replaced.push(listener);
  }

  link(slot: number): Link {
    return this.#links[slot]!;
  }

  /** How often a link of this thread had to drop what it owed. */
  get overflows(): number {
    return this.#links.reduce((sum, link) => sum + link.counters.overflows, 0);
  }

  /** @returns false if the link is full: nothing was sent. The record is copied. */
  send(slot: number, record: Uint8Array): boolean {
    this.schedule();
    return this.#links[slot]!.send(record);
  }

  /**
   * Send now or as soon as there is room, ahead of anything sent later.
   * @param urgent  false: nobody is woken for it. It is read when the thread is awake anyway, at the latest by its safety poll.
   */
  mustSend(slot: number, record: Uint8Array, urgent = true): void {
    this.schedule();
    this.#links[slot]!.mustSend(record, urgent);
  }

  /** Handle every record that has arrived, and those that this makes the thread send to itself. */
  drain(): void {
    const own = this.#links[this.self]!;
    for (let round = 0; round < SELF_ROUNDS_MAX; round++) {
      own.publish();
      if (this.#read(this.self) + this.#readOthers() === 0) return;
    }
  }

  /**
   * The same of what the thread sends to itself alone, ahead of the end of the turn: for what wakes it with much to do, and
   * would otherwise lie about until then for the next collection of garbage to copy. Not to be called by a handler.
   */
  drainOwn(): void {
    const own = this.#links[this.self]!;
    for (let round = 0; round < SELF_ROUNDS_MAX; round++) {
      own.publish();
      if (this.#read(this.self) === 0) return;
    }
  }

  /** Those rings that are marked, or all. What was taken of the marks when a handler throws is made up for by all, later. */
  #readOthers(): number {
    const all = this.#marksMissing;
    this.#marksMissing = true;
    let handled = this.#marks.take(this.#read);
    if (all) for (let slot = 0; slot < this.#inlets.length; slot++) handled += this.#read(slot);
    this.#marksMissing = false;
    return handled;
  }

  /** Show what was sent, wake who sleeps, and sleep if there is nothing to do. */
  publish(): void {
    let owes = false;
    for (let slot = 0; slot < this.#links.length; slot++) {
      const link = this.#links[slot]!;
      const shown = link.publish();
      if (shown !== SHOWN.nothing && slot !== this.self) {
        this.#marks.set(slot);
        if (shown === SHOWN.urgent) this.doorbell.ring(slot);
      }
      owes ||= link.owes;
    }
    if (owes) this.#retry();
    this.doorbell.arm(this.#hasWork);
  }

  /** The thread in `rewire.slot` was replaced. Records still under way in either direction are gone. */
  replace(rewire: Rewire): void {
    this.#links[rewire.slot]!.close();
    this.#inlets[rewire.slot]!.end.port.close();
    this.#links[rewire.slot] = new Link(rewire.outgoing);
    this.#inlets[rewire.slot] = this.#inlet(rewire.incoming, rewire.slot);
    this.#marksMissing = true;
    for (const listener of this.#replaced) listener(rewire.slot);
    this.schedule();
  }

  close(): void {
    this.doorbell.close();
    for (const link of this.#links) link.close();
    for (const inlet of this.#inlets) inlet.end.port.close();
  }

  #retry(): void {
    if (this.#retrying) return;
    this.#retrying = true;
    this.later(() => {
      this.#retrying = false;
      this.schedule();
    });
  }

  #inlet(end: WireEnd, from: number): Inlet {
    return new Inlet(end, (memory, start, stop) => {
      const handler = this.#handlers[memory[start]!];
      if (!handler) throw new Error(`no handler for record kind ${memory[start]}`);
      handler(this.#reader.range(memory, start + 1, stop), from);
    });
  }
}
