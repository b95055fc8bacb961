/**
 * What Gyre needs from a broker and from a presence store. An engine instance belongs to one worker thread and is asked
 * only about channels which that worker owns, so per channel there is one caller and no lock.
 *
 * Results are values where the engine has them at hand (memory) and promises where it must ask (Redis): callers accept
 * both, so that the in-memory path never waits for a microtask. Publishing, the one call that is made for every message,
 * answers to an object of the caller's instead.
 */
import type { Awaitable } from '../lib/when.js';
import type { ClientError } from '../protocol/codes.js';
import type { Bytes, StreamPosition } from '../protocol/messages.js';

export interface PublishOptions {
  /** 0: the publication is not stored and gets no offset. */
  historySize: number;
  historyTtlMs: number;
  /** How long offset and epoch outlive the last access. */
  historyMetaTtlMs: number;
  /** '' for none. A repeated key within {@link idempotencyTtlMs} publishes nothing and returns the first result. */
  idempotencyKey: string;
  idempotencyTtlMs: number;
  /** 0 for none. A version not above the stored one is suppressed, unless `versionEpoch` is set and differs. */
  version: number;
  versionEpoch: string;
  /** Ask for delta; the entry's flag carries it to subscribers. */
  delta: boolean;
}

/** Who asked for a publication. Exactly one of the two is called, once; possibly before {@link Broker.publish} returns. */
export interface PublishReply {
  /**
   * @param offset  0, with epoch '', where nothing is stored.
   * @param suppressed  nothing was published: the position is that of the earlier publication or the top of the stream.
   */
  succeed(offset: number, epoch: string, suppressed?: PublishResult['suppressed']): void;
  fail(error: ClientError): void;
}

export interface PublishResult extends StreamPosition {
  /** Nothing was published: the position is that of the earlier publication ('idempotency') or the top ('version'). */
  readonly suppressed?: 'idempotency' | 'version' | undefined;
}

export interface HistoryFilter {
  /** -1 all, 0 position only. */
  limit: number;
  since?: StreamPosition | undefined;
  /** Newest first. With `since`: entries before it. */
  reverse: boolean;
}

export interface History extends StreamPosition {
  /** Number of entries in {@link entries}. */
  readonly count: number;
  /** Entries (layout in protocol/entry.ts) one after the other, in the order asked for. Valid until the next call. */
  readonly entries: Bytes;
}

/**
 * Where a broker delivers what it hears of subscribed channels. The feed of a broker over a network is what a network
 * gives: reads of history may be ahead of it or behind it, and around an interruption publications may be missing, come
 * twice, or late. Whoever needs more (channels/follower.ts) makes it out of offsets, epochs and reads.
 */
export interface BrokerSink {
  /**
   * @param entry  with its offset in it, 0 where nothing is stored; borrowed.
   * @param epoch  of the stream that the offset belongs to, '' where nothing is stored.
   */
  publication(channel: string, entry: Bytes, epoch: string): void;
  join(channel: string, info: Bytes): void;
  leave(channel: string, info: Bytes): void;
  /**
   * The feed was cut off and goes on from here: what was published meanwhile may be missing, and the stream may be
   * another, or have lost its end (failover). Called for every subscribed channel once it is subscribed again.
   */
  interrupted(channel: string): void;
}

/**
 * How far a channel's feed can be relied on.
 * 'down': it is cut off. Nothing may be subscribed or published.
 * 'settling': it goes on, at a server that may have lost the ends of streams (a failover, a restart). For a short while
 * nothing is published, so that every node can compare what it knows with what is there before offsets are given again.
 */
export type FeedState = 'up' | 'settling' | 'down';

export interface Broker {
  /**
   * Order: publications of one channel get offsets in call order, and reach the sink in offset order.
   * Atomicity: with history, checks, offset, append and delivery are one step.
   * Loss: `reply` fails with a {@link ClientError} when nothing was published; a timeout (100) may leave it unknown.
   * @param entry  as laid out in protocol/entry.ts, offset 0; borrowed for the duration of the call.
   */
  publish(channel: string, entry: Bytes, options: PublishOptions, reply: PublishReply): void;
  /**
   * Start delivering the channel to the sink. Everything published after this resolves is delivered, or the channel is
   * `interrupted`. Rejects with 100 when the broker is away; the channel is then not subscribed.
   */
  subscribe(channel: string): Awaitable<void>;
  feed(channel: string): FeedState;
  /** Stop, perhaps not at once: what still arrives is delivered. Undone by a subscribe that follows. */
  unsubscribe(channel: string): void;
  /**
   * @param metaTtlMs  renewed by the read, as by a publish.
   * Entries after `since.offset` (before it when reversed), oldest first (newest first when reversed), at most `limit`.
   * The epoch is not compared here: the caller sees it in the result. Creates epoch and offset 0 on first access.
   */
  history(channel: string, filter: HistoryFilter, metaTtlMs: number): Awaitable<History>;
  /**
   * A stream turned out to have lost its end (an acknowledged publication is gone, its offset was or will be given to
   * another): drop it and give it a new epoch, unless `epoch` is not the current one any more. Whoever relied on it then
   * learns that it cannot recover.
   */
  resetEpoch(channel: string, epoch: string): Awaitable<void>;
  /** Drop stored publications; epoch and top offset stay. */
  removeHistory(channel: string): Awaitable<void>;
  publishJoin(channel: string, info: Bytes): Awaitable<void>;
  publishLeave(channel: string, info: Bytes): Awaitable<void>;
  close(): Awaitable<void>;
}

export interface PresenceStats {
  numClients: number;
  numUsers: number;
}

/** `info` is an encoded ClientInfo (protobuf), the form in which it is stored and shown. */
export interface PresenceManager {
  /** Add or renew. The entry disappears `ttlMs` after the last call. */
  add(channel: string, client: string, user: string, info: Bytes, ttlMs: number): Awaitable<void>;
  remove(channel: string, client: string, user: string): Awaitable<void>;
  presence(channel: string): Awaitable<Map<string, Bytes>>;
  stats(channel: string): Awaitable<PresenceStats>;
  close(): Awaitable<void>;
}

/**
 * Carries messages between the nodes of a cluster; it lives on the main thread. What is heard goes to the handler that it
 * was opened with, as borrowed bytes.
 *
 * Order: none, not even between messages to the same node (they take turns over the shards).
 * Loss: at most once. A message is lost on the nodes that do not hear the shard which carried it at that moment, and they
 * do not notice. What must be known in the end is said again (node pings) or asked with a deadline (surveys).
 * A node may hear its own messages.
 */
export interface Controller extends EngineHealth {
  /**
   * @param nodeUid  '' for all nodes.
   * Rejects with a {@link ClientError}: 100 when no shard took it (after a timeout it may have been sent), 111 when too
   * many messages are on their way.
   */
  publish(data: Bytes, nodeUid: string): Promise<void>;
  close(): void;
}

export interface ShardHealth {
  readonly name: string;
  readonly healthy: boolean;
}

/** What readiness is made of. Nothing for an engine that is in the process itself. */
export interface EngineHealth {
  shards(): readonly ShardHealth[];
}

export type { Awaitable, ClientError };
