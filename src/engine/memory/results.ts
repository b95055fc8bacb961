import type { StreamPosition } from '../../protocol/messages.js';

interface Result extends StreamPosition {
  readonly expireAtMs: number;
}

/**
 * Results of publications with an idempotency key. Held in order of publication, which is order of expiry as long as
 * all have the same time to live. When full, the oldest is forgotten before its time: its key would publish again.
 */
export class IdempotentResults {
  readonly #results = new Map<string, Result>();

  constructor(private readonly maxResults: number) {}

  get(channel: string, key: string, nowMs: number): StreamPosition | undefined {
    const result = this.#results.get(join(channel, key));
    return result !== undefined && result.expireAtMs > nowMs ? result : undefined;
  }

  set(channel: string, key: string, position: StreamPosition, expireAtMs: number): void {
    const name = join(channel, key);
    // Out and in again, to stand at the end of the order.
    this.#results.delete(name);
    if (this.#results.size >= this.maxResults) this.#results.delete(this.#results.keys().next().value!);
    this.#results.set(name, { offset: position.offset, epoch: position.epoch, expireAtMs });
  }

  /** Forget what expired, oldest first; stops at the first that has not. */
  sweep(nowMs: number): void {
    for (const [name, result] of this.#results) {
      if (result.expireAtMs > nowMs) return;
      this.#results.delete(name);
    }
  }

  get size(): number {
    return this.#results.size;
  }
}

/** The length keeps ('a', 'bc') and ('ab', 'c') apart. */
const join = (channel: string, key: string): string => `${channel.length}:${channel}${key}`;
