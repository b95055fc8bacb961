import type { Chores } from '../lib/chores.js';

/** One counter a worker, which it raises while its event loop turns. A counter that stands still is a worker that hangs. */

export const HEARTBEAT_MS = 500;

/** No silence counts before the first beat: a start may take long. */
export const NOT_STARTED = Number.POSITIVE_INFINITY;

export function createHeartbeats(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(workers * 4);
}

export function beat(chores: Pick<Chores, 'every'>, heartbeats: SharedArrayBuffer, slot: number): void {
  const counters = new Int32Array(heartbeats);
  chores.every(HEARTBEAT_MS, () => Atomics.add(counters, slot, 1));
}

export class HangWatch {
  readonly #counters: Int32Array;
  readonly #last: { beat: number; since: number; hanging: boolean }[];

  /**
   * @param timeoutMs  silence after which a worker counts as hanging.
   * @param report  called once when a worker starts to hang and once when it is back.
   */
  constructor(
    heartbeats: SharedArrayBuffer,
    private readonly timeoutMs: number,
    private readonly report: (slot: number, hanging: boolean, silentMs: number) => void,
  ) {
    this.#counters = new Int32Array(heartbeats);
    this.#last = Array.from(this.#counters, (beat) => ({ beat, since: NOT_STARTED, hanging: false }));
  }

  /** @param now  milliseconds of a clock that does not step back. */
  check(now: number): void {
    for (let slot = 0; slot < this.#last.length; slot++) {
      const last = this.#last[slot]!;
      const current = Atomics.load(this.#counters, slot);
      if (current !== last.beat) {
        if (last.hanging) this.report(slot, false, now - last.since);
        this.#last[slot] = { beat: current, since: now, hanging: false };
      } else if (!last.hanging && now - last.since >= this.timeoutMs) {
        last.hanging = true;
        this.report(slot, true, now - last.since);
      }
    }
  }

  /** The slot has a new thread. @param now  {@link NOT_STARTED} until it has. */
  restart(slot: number, now: number): void {
    this.#last[slot] = { beat: Atomics.load(this.#counters, slot), since: now, hanging: false };
  }
}
