/**
 * A broker whose list of shards is another than it was, while the nodes of the cluster are being replaced one by one.
 * Channels whose shard differs between the lists are *moving*; for all others there is only the new list.
 *
 *     old nodes present            every node has the new list
 *     ─────────────────────────────┬──────────────────────────────────
 *     hears both shards            │ hears both shards
 *     uses the old shard           │ carries a channel over when it is used first (carry-over.ts), then uses the new one
 *
 * Why nothing is lost: every node with the new list hears both shards, so it does not matter at which of them a node
 * publishes; and as long as a node hears the old one alone, everybody publishes there. A stream is at one shard at a
 * time, because it is fenced at the old one before it is at the new one. Who meets the fence, in whatever phase, carries on
 * at the new shard. Numbering goes on, so that whatever comes by two ways, or late, is dropped by its offset, and a hole
 * is filled from history (channels/follower.ts).
 *
 * What is not stored, publications without history, joins and leaves, goes to the shard that every node hears.
 *
 * Order: operations on a channel that come while it is looked for or carried over wait, and start in their order; those
 * that were under way at the old shard and met the fence start before them (moving-channel.ts).
 * Loss: what waits fails with 100 when a shard is away, and with 111 when too much waits.
 */
import type { Bytes, StreamPosition } from '../../protocol/messages.js';
import type { Awaitable, Broker, FeedState, History, HistoryFilter, PublishOptions, PublishReply } from '../engine.js';
import { channelMoved } from './carry-over.js';
import { MovingChannel, type MovingHost } from './moving-channel.js';

/** Channels whose place is remembered; any other is looked for when it is used. */
const REMEMBERED_MAX_CHANNELS = 100_000;

/** What a {@link MovingBroker} asks of the shards; see carry-over.ts. Rejects with a {@link ClientError} when one is away. */
export interface Moves {
  /** Whether the channel's shard is another one in the new list. */
  isMoving(channel: string): boolean;
  whereIs(channel: string): Promise<'old' | 'new' | 'moved'>;
  carryOver(channel: string): Promise<void>;
  /** At the old shard. */
  resultOf(channel: string, idempotencyKey: string): Promise<StreamPosition | undefined>;
}

export class MovingBroker implements Broker, MovingHost {
  readonly #channels = new Map<string, MovingChannel>();
  #oldNodesPresent = true;

  /**
   * @param before, now  the same sink hears both.
   * @param clock  ms, never set back.
   */
  constructor(
    readonly before: Broker,
    readonly now: Broker,
    private readonly moves: Moves,
    readonly clock: () => number,
  ) {}

  /** Whether any node of the cluster uses another list, or an unknown one. True until this is called. */
  setOldNodesPresent(present: boolean): void {
    this.#oldNodesPresent = present;
  }

  // ---- Broker ----

  publish(name: string, entry: Bytes, options: PublishOptions, reply: PublishReply): void {
    const { historySize, historyTtlMs, idempotencyKey, idempotencyTtlMs } = options;
    const isPassed = (historySize === 0 || historyTtlMs === 0) && idempotencyKey === '';
    if (isPassed || !this.moves.isMoving(name)) {
      this.#unstored(name).publish(name, entry, options, reply);
      return;
    }
    const copy = Buffer.from(entry);
    this.#channel(name).submit({
      bytes: copy.length,
      idempotencyKey,
      idempotencyTtlMs,
      run(broker, ended) {
        broker.publish(name, copy, options, {
          succeed(offset, epoch, suppressed) {
            ended(false);
            reply.succeed(offset, epoch, suppressed);
          },
          fail(error) {
            ended(error === channelMoved);
            if (error !== channelMoved) reply.fail(error);
          },
        });
      },
      repeated: ({ offset, epoch }) => reply.succeed(offset, epoch, 'idempotency'),
      fail: (error) => reply.fail(error),
    });
  }

  history(name: string, filter: HistoryFilter, metaTtlMs: number): Awaitable<History> {
    return this.#ask(name, (broker) => broker.history(name, filter, metaTtlMs));
  }

  resetEpoch(name: string, epoch: string): Awaitable<void> {
    return this.#ask(name, (broker) => broker.resetEpoch(name, epoch));
  }

  removeHistory(name: string): Awaitable<void> {
    return this.#ask(name, (broker) => broker.removeHistory(name));
  }

  publishJoin(name: string, info: Bytes): Awaitable<void> {
    return this.#unstored(name).publishJoin(name, info);
  }

  publishLeave(name: string, info: Bytes): Awaitable<void> {
    return this.#unstored(name).publishLeave(name, info);
  }

  async subscribe(name: string): Promise<void> {
    if (!this.moves.isMoving(name)) return this.now.subscribe(name);
    try {
      await Promise.all([this.before.subscribe(name), this.now.subscribe(name)]);
    } catch (error) {
      this.unsubscribe(name);
      throw error;
    }
  }

  unsubscribe(name: string): void {
    this.now.unsubscribe(name);
    if (this.moves.isMoving(name)) this.before.unsubscribe(name);
  }

  /** Of both shards the one that is worse off. */
  feed(name: string): FeedState {
    const now = this.now.feed(name);
    if (now === 'down' || !this.moves.isMoving(name)) return now;
    const before = this.before.feed(name);
    return before === 'up' ? now : before;
  }

  async close(): Promise<void> {
    await Promise.all([this.before.close(), this.now.close()]);
  }

  // ---- MovingHost ----

  get oldNodesPresent(): boolean {
    return this.#oldNodesPresent;
  }

  async find(name: string): Promise<'old' | 'new'> {
    if (this.#oldNodesPresent) {
      const place = await this.moves.whereIs(name);
      if (place !== 'moved') return place;
    }
    await this.moves.carryOver(name);
    return 'new';
  }

  readonly resultOf = (name: string, idempotencyKey: string): Promise<StreamPosition | undefined> =>
    this.moves.resultOf(name, idempotencyKey);

  // ---- channels ----

  /** For what has nothing to do with a stream. */
  #unstored(name: string): Broker {
    return this.#oldNodesPresent && this.moves.isMoving(name) ? this.before : this.now;
  }

  #ask<T>(name: string, ask: (broker: Broker) => Awaitable<T>): Awaitable<T> {
    if (!this.moves.isMoving(name)) return ask(this.now);
    return new Promise((resolve, reject) => {
      this.#channel(name).submit({
        bytes: 0,
        idempotencyKey: '',
        idempotencyTtlMs: 0,
        async run(broker, ended) {
          try {
            const answer = await ask(broker);
            ended(false);
            resolve(answer);
          } catch (error) {
            ended(error === channelMoved);
            if (error !== channelMoved) reject(error);
          }
        },
        repeated() {},
        fail: reject,
      });
    });
  }

  #channel(name: string): MovingChannel {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      if (this.#channels.size >= REMEMBERED_MAX_CHANNELS) this.#forgetOne();
      channel = new MovingChannel(name, this);
      this.#channels.set(name, channel);
    }
    return channel;
  }

  #forgetOne(): void {
    for (const [name, channel] of this.#channels) {
      if (!channel.idle) continue;
      this.#channels.delete(name);
      return;
    }
  }
}
