/**
 * `client.connection_limit` and `client.connection_rate_limit`, which count for the whole node: three words of shared
 * memory that every worker asks before it upgrades a request.
 *
 * The rate limiter is a bucket of N tokens that regains one token a second, as Centrifugo's does: a burst of N, then
 * one connection a second.
 */

const OPEN = 0;
const TOKENS = 1;
const REFILLED_AT = 2;

export interface AdmissionLimits {
  /** 0: no limit. */
  readonly connection_limit: number;
  /** 0: no limit. */
  readonly connection_rate_limit: number;
}

/** @param nowMs  here and below of a clock that does not step and is the same for all threads. */
export function createAdmission(limits: AdmissionLimits, nowMs: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(12);
  const words = new Int32Array(memory);
  words[TOKENS] = limits.connection_rate_limit;
  words[REFILLED_AT] = Math.floor(nowMs / 1000);
  return memory;
}

export class Admission {
  readonly #words: Int32Array;

  constructor(
    memory: SharedArrayBuffer,
    private readonly limits: AdmissionLimits,
  ) {
    this.#words = new Int32Array(memory);
  }

  /** Open connections of all workers. */
  get open(): number {
    return Atomics.load(this.#words, OPEN);
  }

  /** May one more connection be made? Takes a token if so. */
  admit(nowMs: number): boolean {
    const { connection_limit: limit, connection_rate_limit: rate } = this.limits;
    if (limit > 0 && this.open >= limit) return false;
    return rate <= 0 || this.#take(rate, nowMs);
  }

  opened(): void {
    Atomics.add(this.#words, OPEN, 1);
  }

  /** @param connections  more than one when a worker ended with them. */
  closed(connections = 1): void {
    Atomics.sub(this.#words, OPEN, connections);
  }

  #take(burst: number, nowMs: number): boolean {
    this.#refill(burst, Math.floor(nowMs / 1000));
    for (;;) {
      const tokens = Atomics.load(this.#words, TOKENS);
      if (tokens <= 0) return false;
      if (Atomics.compareExchange(this.#words, TOKENS, tokens, tokens - 1) === tokens) return true;
    }
  }

  #refill(burst: number, nowSeconds: number): void {
    const then = Atomics.load(this.#words, REFILLED_AT);
    if (nowSeconds <= then) return;
    // One thread adds the seconds that have passed; the others find the time moved on.
    if (Atomics.compareExchange(this.#words, REFILLED_AT, then, nowSeconds) !== then) return;
    for (;;) {
      const tokens = Atomics.load(this.#words, TOKENS);
      const refilled = Math.min(burst, tokens + nowSeconds - then);
      if (Atomics.compareExchange(this.#words, TOKENS, tokens, refilled) === tokens) return;
    }
  }
}
