/**
 * The shared memory between threads, made by the main thread and handed to each worker at its start.
 *
 * Slots 0 … workers-1 are the workers, slot `workers` is main. For every ordered pair of slots, a thread to itself
 * included, there is one wire: a ring for records, a message port for the few records too large for it, and a counter of
 * the bytes under way on that port.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { createRing, RING_MAX_BYTES, RING_MIN_BYTES } from '../lib/ring.js';

/** One end of a wire. Both ends share `ring` and `oversizeBytes`; each has its own port. */
export interface WireEnd {
  ring: SharedArrayBuffer;
  /** [0] bytes posted but not yet received. */
  oversizeBytes: SharedArrayBuffer;
  port: MessagePort;
}

/** Everything a thread needs to be on the mesh. `outgoing[s]` leads to slot s, `incoming[s]` comes from it. */
export interface Wires {
  self: number;
  workers: number;
  outgoing: WireEnd[];
  incoming: WireEnd[];
  /** {@link BELL_BYTES} a slot, see doorbell.ts and marks.ts. */
  bells: SharedArrayBuffer;
}

/** The new ends of one neighbour's wires, after the thread in `slot` was replaced. */
export interface Rewire {
  slot: number;
  outgoing: WireEnd;
  incoming: WireEnd;
}

export function createWire(ringBytes: number): { outgoing: WireEnd; incoming: WireEnd } {
  const { port1, port2 } = new MessageChannel();
  const ring = createRing(ringBytes);
  const oversizeBytes = new SharedArrayBuffer(4);
  return { outgoing: { ring, oversizeBytes, port: port1 }, incoming: { ring, oversizeBytes, port: port2 } };
}

/** The first cache lines are used, see marks.ts. Enough for 2,016 slots. */
export const BELL_BYTES = 256;

export function createBells(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer((workers + 1) * BELL_BYTES);
}

/** Wires for all slots at once: `[slot]` is what the thread in that slot gets. */
export function createWires(workers: number, ringBytes: number): Wires[] {
  const bells = createBells(workers);
  const threads = workers + 1;
  const all: Wires[] = Array.from({ length: threads }, (_, self) => ({
    self,
    workers,
    outgoing: [],
    incoming: [],
    bells,
  }));
  for (let from = 0; from < threads; from++)
    for (let to = 0; to < threads; to++) {
      const wire = createWire(ringBytes);
      all[from]!.outgoing[to] = wire.outgoing;
      all[to]!.incoming[from] = wire.incoming;
    }
  return all;
}

/** New wires for a replaced worker: its own set, and what every other slot must switch to. */
export function createReplacementWires(
  slot: number,
  workers: number,
  ringBytes: number,
  bells: SharedArrayBuffer,
): { wires: Wires; rewires: Map<number, Rewire> } {
  const wires: Wires = { self: slot, workers, outgoing: [], incoming: [], bells };
  const rewires = new Map<number, Rewire>();
  for (let other = 0; other <= workers; other++) {
    const out = createWire(ringBytes);
    wires.outgoing[other] = out.outgoing;
    if (other === slot) {
      wires.incoming[slot] = out.incoming;
      continue;
    }
    const back = createWire(ringBytes);
    wires.incoming[other] = back.incoming;
    rewires.set(other, { slot, outgoing: back.outgoing, incoming: out.incoming });
  }
  return { wires, rewires };
}

/** The ports among some wire ends, which a `postMessage` must list to transfer. */
export function portsOf(ends: readonly WireEnd[]): MessagePort[] {
  return ends.map((end) => end.port);
}

/** All rings of a process together stay under this unless a ring size is configured. */
const RINGS_DEFAULT_TOTAL_BYTES = 256 << 20;
const RING_DEFAULT_BYTES = 1 << 20;

/**
 * Capacity of each ring. @param configuredBytes  0 for automatic: 1 MiB, halved until all rings together fit in 256 MiB,
 * but at least 64 KiB.
 */
export function ringBytesFor(workers: number, configuredBytes: number): number {
  if (configuredBytes > 0) return Math.min(Math.max(configuredBytes, RING_MIN_BYTES), RING_MAX_BYTES);
  let bytes = RING_DEFAULT_BYTES;
  while (bytes > 1 << 16 && bytes * (workers + 1) ** 2 > RINGS_DEFAULT_TOTAL_BYTES) bytes /= 2;
  return bytes;
}
