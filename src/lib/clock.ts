/** Time as a value that can be passed in, so that everything which expires can be tested without waiting. */
export interface Clock {
  /** Milliseconds since the Unix epoch, unless said otherwise. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/**
 * Milliseconds since some moment, the same for all threads. For deadlines and rates: a system clock that is set, or a
 * machine that wakes up, must neither end every call under way nor stop a limit from refilling.
 */
export const monotonicClock: Clock = { now: () => Number(process.hrtime.bigint() / 1_000_000n) };

/** A clock that stands still until it is told otherwise. */
export class ManualClock implements Clock {
  #now: number;

  constructor(now = 0) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  /** @param ms  may be negative: system clocks do step back. */
  advance(ms: number): void {
    this.#now += ms;
  }

  set(now: number): void {
    this.#now = now;
  }
}
