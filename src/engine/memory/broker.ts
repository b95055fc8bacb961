import type { Clock } from '../../lib/clock.js';
import { Sweep } from '../../lib/sweep.js';
import { entryWithEpoch } from '../../protocol/entry.js';
import type { Bytes, StreamPosition } from '../../protocol/messages.js';
import type { Broker, BrokerSink, History, HistoryFilter, PublishOptions, PublishReply } from '../engine.js';
import { randomEpoch } from '../epoch.js';
import { IdempotentResults } from './results.js';
import { Stream, stampEntry } from './stream.js';

/** Some 150 bytes each when full. */
const MAX_IDEMPOTENT_RESULTS = 1_000_000;

export interface MemoryBrokerOptions {
  readonly clock: Clock;
  /** Names a new stream's epoch. Default: eight random letters. */
  readonly epoch?: () => string;
  /** How many results of keyed publications are remembered; beyond that the oldest is forgotten early. */
  readonly maxIdempotentResults?: number;
}

/**
 * Channels of this worker, kept in its memory and lost with it. Every method completes before it returns, and a
 * publication has been handed to the sink by then. The sink must not call back into the broker.
 */
export class MemoryBroker implements Broker {
  readonly #streams = new Map<string, Stream>();
  readonly #results: IdempotentResults;
  readonly #sweep = new Sweep(this.#streams, (stream, channel, nowMs) => this.#expire(stream, channel, nowMs));
  readonly #clock: Clock;
  readonly #newEpoch: () => string;

  constructor(
    private readonly sink: BrokerSink,
    options: MemoryBrokerOptions,
  ) {
    this.#clock = options.clock;
    this.#newEpoch = options.epoch ?? randomEpoch;
    this.#results = new IdempotentResults(options.maxIdempotentResults ?? MAX_IDEMPOTENT_RESULTS);
  }

  /** A publication without history is stamped in the caller's own buffer and passed on, not copied. */
  publish(channel: string, entry: Bytes, options: PublishOptions, reply: PublishReply): void {
    const nowMs = this.#clock.now();
    const { idempotencyKey: key } = options;
    const first = key === '' ? undefined : this.#results.get(channel, key, nowMs);
    if (first !== undefined) reply.succeed(first.offset, first.epoch, 'idempotency');
    else if (options.historySize > 0 && options.historyTtlMs > 0) this.#store(channel, entry, options, nowMs, reply);
    else this.#pass(channel, entry, options, nowMs, reply);
  }

  subscribe(): void {}

  feed(): 'up' {
    return 'up';
  }

  unsubscribe(): void {}

  history(channel: string, filter: HistoryFilter, metaTtlMs: number): History {
    const stream = this.#stream(channel, metaTtlMs, this.#clock.now());
    const { count, entries } = stream.select(filter);
    return { offset: stream.top, epoch: stream.epoch, count, entries };
  }

  resetEpoch(channel: string, epoch: string): void {
    if (this.#streams.get(channel)?.epoch === epoch) this.#streams.delete(channel);
  }

  removeHistory(channel: string): void {
    this.#streams.get(channel)?.clear();
  }

  publishJoin(channel: string, info: Bytes): void {
    this.sink.join(channel, info);
  }

  publishLeave(channel: string, info: Bytes): void {
    this.sink.leave(channel, info);
  }

  /** Free a bounded part of what has expired. Call it about once a second. */
  sweep(nowMs: number): void {
    this.#sweep.run(nowMs);
    this.#results.sweep(nowMs);
  }

  close(): void {
    this.#streams.clear();
  }

  /** Streams held, for metrics. */
  get streams(): number {
    return this.#streams.size;
  }

  #pass(channel: string, entry: Bytes, options: PublishOptions, nowMs: number, reply: PublishReply): void {
    stampEntry(entry, 0, 0, nowMs);
    this.#remember(channel, options, NOT_STORED, nowMs);
    this.sink.publication(channel, entry, '');
    reply.succeed(0, '');
  }

  #store(channel: string, entry: Bytes, options: PublishOptions, nowMs: number, reply: PublishReply): void {
    const stream = this.#stream(channel, options.historyMetaTtlMs, nowMs);
    stream.entriesExpireAtMs = nowMs + options.historyTtlMs;
    if (options.version > 0) {
      const sameOrder = options.versionEpoch === '' || options.versionEpoch === stream.versionEpoch;
      if (sameOrder && options.version <= stream.version) {
        reply.succeed(stream.top, stream.epoch, 'version');
        return;
      }
      stream.version = options.version;
      stream.versionEpoch = options.versionEpoch;
    }
    const first = stream.top === 0 ? entryWithEpoch(entry, stream.epoch) : entry;
    const stored = stream.append(first, options.historySize, nowMs);
    const { top, epoch } = stream;
    this.#remember(channel, options, { offset: top, epoch }, nowMs);
    this.sink.publication(channel, stored, epoch);
    reply.succeed(top, epoch);
  }

  #remember(channel: string, options: PublishOptions, position: StreamPosition, nowMs: number): void {
    const { idempotencyKey: key, idempotencyTtlMs } = options;
    if (key !== '') this.#results.set(channel, key, position, nowMs + idempotencyTtlMs);
  }

  /** The channel's stream, made if need be, rid of what expired and with its life extended. */
  #stream(channel: string, metaTtlMs: number, nowMs: number): Stream {
    const known = this.#streams.get(channel);
    const stream = known === undefined || this.#expire(known, channel, nowMs) ? this.#create(channel) : known;
    stream.expireAtMs = metaTtlMs > 0 ? nowMs + metaTtlMs : Number.POSITIVE_INFINITY;
    return stream;
  }

  #create(channel: string): Stream {
    const stream = new Stream(this.#newEpoch());
    this.#streams.set(channel, stream);
    return stream;
  }

  /** @returns whether the whole stream is gone. */
  #expire(stream: Stream, channel: string, nowMs: number): boolean {
    if (stream.expireAtMs <= nowMs) return this.#streams.delete(channel);
    if (stream.count > 0 && stream.entriesExpireAtMs <= nowMs) stream.clear();
    return false;
  }
}

const NOT_STORED: StreamPosition = { offset: 0, epoch: '' };
