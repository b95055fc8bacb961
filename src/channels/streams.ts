/** The history of this owner's channels, as far as it can be trusted. */
import type { Broker, History, HistoryFilter } from '../engine/engine.js';
import { type Awaitable, when } from '../lib/when.js';
import { errors } from '../protocol/codes.js';

export interface HistoryOptions {
  size: number;
  ttlMs: number;
  metaTtlMs: number;
}

export interface StreamsDeps {
  readonly broker: Broker;
  /** What the configuration says of a channel's history; size 0 for none. */
  readonly options: (channel: string) => HistoryOptions;
  readonly later: (ms: number, run: () => void) => void;
  readonly log: { error(fields: object, message: string): void };
}

const RESET_RETRY_MS = 250;

export class Streams {
  /** Those that lost their end and have not got a new epoch yet, because the broker is away. By channel, their epoch. */
  readonly #damaged = new Map<string, string>();

  constructor(private readonly deps: StreamsDeps) {}

  options(channel: string): HistoryOptions {
    return this.deps.options(channel);
  }

  /** Rejects with 100 for a stream that is known to be wrong. */
  read(channel: string, filter: HistoryFilter): Awaitable<History> {
    if (this.#damaged.has(channel)) return Promise.reject(errors.internal);
    return this.deps.broker.history(channel, filter, this.deps.options(channel).metaTtlMs);
  }

  /** A stream has lost its end. It is not read again until it has another epoch, however long that takes. */
  reset(channel: string, epoch: string): void {
    this.deps.log.error({ channel, epoch }, 'a stream has lost its end: it starts anew');
    this.#damaged.set(channel, epoch);
    this.#tryReset(channel, epoch);
  }

  #tryReset(channel: string, epoch: string): void {
    const done = (): void => void this.#damaged.delete(channel);
    const failed = (): void => this.deps.later(RESET_RETRY_MS, () => this.#tryReset(channel, epoch));
    when(this.deps.broker.resetEpoch(channel, epoch), done, failed);
  }
}
