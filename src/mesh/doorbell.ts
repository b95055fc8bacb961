/**
 * Waking a thread that has nothing to do. One word a slot: 0 awake, 1 asleep.
 *
 *   sleeper:  store 1 — look at the rings once more — wait while it is 1
 *   ringer:   publish to the ring — if it is 1, swap it to 0 and notify
 *
 * Either the sleeper sees the record in its second look, or the ringer sees the 1. A ringer pays one load when the other
 * side is awake. There is at most one wait outstanding a thread, because waiters that nobody wakes are never freed.
 */
import { BELL_BYTES } from './wires.js';

const AWAKE = 0;
const ASLEEP = 1;

export interface Doorbell {
  /** Wake `slot` if it sleeps. */
  ring(slot: number): void;
  /** Go to sleep unless `hasWork()`; in that case, and whenever woken, `wake` is called. */
  arm(hasWork: () => boolean): void;
  close(): void;
}

export class SharedDoorbell implements Doorbell {
  readonly #bells: Int32Array;
  readonly #own: number;
  #waiting = false;
  #closed = false;
  readonly #woken = (): void => {
    this.#waiting = false;
    if (!this.#closed) this.wake();
  };

  constructor(
    bells: SharedArrayBuffer,
    self: number,
    private readonly wake: () => void,
  ) {
    this.#bells = new Int32Array(bells);
    this.#own = self * (BELL_BYTES / 4);
  }

  ring(slot: number): void {
    const at = slot * (BELL_BYTES / 4);
    if (Atomics.load(this.#bells, at) !== ASLEEP) return;
    if (Atomics.compareExchange(this.#bells, at, ASLEEP, AWAKE) === ASLEEP) Atomics.notify(this.#bells, at);
  }

  arm(hasWork: () => boolean): void {
    if (this.#closed) return;
    Atomics.store(this.#bells, this.#own, ASLEEP);
    if (hasWork()) {
      Atomics.store(this.#bells, this.#own, AWAKE);
      this.wake();
      return;
    }
    if (this.#waiting) return;
    const wait = Atomics.waitAsync(this.#bells, this.#own, ASLEEP);
    if (wait.async) {
      this.#waiting = true;
      wait.value.then(this.#woken);
    } else this.wake();
  }

  close(): void {
    this.#closed = true;
    Atomics.store(this.#bells, this.#own, AWAKE);
    Atomics.notify(this.#bells, this.#own);
  }
}
