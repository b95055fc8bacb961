/**
 * The data path as the rest of the program sees it. Any thread may publish and read; only a worker (edge) subscribes.
 *
 * Every call ends exactly once. Errors are the codes of protocol/codes.ts: 111 when a queue on the way is full,
 * 100 when the owner did not answer in time or died meanwhile.
 */
import type { HistoryFilter, PresenceStats, PublishResult } from '../engine/engine.js';
import type { Codec } from '../protocol/codec.js';
import type { ClientError } from '../protocol/codes.js';
import type { Bytes, ClientInfo, HistoryResult, Publications, StreamPosition } from '../protocol/messages.js';
import type { TagsFilter } from './filter.js';
import type { Seat } from './seat.js';

/** Node style, so that the hot calls need no promise. `result` is defined exactly when `error` is null. */
export type Done<T> = (error: ClientError | null, result: T | undefined) => void;

export interface PublishCall {
  skipHistory: boolean;
  idempotencyKey: string;
  version: number;
  versionEpoch: string;
  delta: boolean;
}

/** A connection that can be subscribed. */
export interface Subscriber {
  readonly codec: Codec;
  readonly unidirectional: boolean;
  /** Queue a frame (one or more joined messages) for this turn's write. The bytes are shared: not to be modified. */
  write(frame: Bytes): void;
  /** Whether there is nothing, nor can be, that a frame at the end of this turn would be joined with. */
  ready(): boolean;
  /** Write a frame now. If it cannot leave yet, it is queued as by {@link write}. */
  send(frame: Bytes): void;
  /** A payload of one of its channels cannot be carried by its protocol: close with 3506. */
  inappropriate(): void;
}

/** One subscription of one connection, as the delivery classes hold it. Extended by clients/subscription.ts. */
export abstract class Member {
  /** Where it stands on the data path; kept there, read by nobody else. */
  seat: Seat | undefined = undefined;
  /** Place in its delivery class, for removal in constant time; -1 while not live. */
  place = -1;
  constructor(
    readonly subscriber: Subscriber,
    readonly channel: string,
  ) {}
  /** Publications were missed and cannot be made up here: 2500 for client-side, 3010 for server-side subscriptions. */
  abstract insufficientState(): void;
}

export interface SubscribeCall {
  /** Fixed for the life of the subscription. */
  positioned: boolean;
  /** The owner's stream is told to be positioned only where history is on; offset/epoch are then in the ack. */
  joinLeave: boolean;
  delta: boolean;
  filter?: TagsFilter | undefined;
  /** Recover since this position. */
  recover?: { since: StreamPosition; mode: 'stream' | 'cache' } | undefined;
  /** Fail with 112 instead of acknowledging with `recovered: false`. The member is then not subscribed. */
  rejectUnrecovered: boolean;
  /** Shown in presence and in join/leave, protobuf ClientInfo. Absent: neither. */
  info?: { client: string; user: string; bytes: Bytes; presence: boolean; joinLeave: boolean } | undefined;
}

export interface SubscribeAck extends StreamPosition {
  recovered: boolean;
  /** Filtered, and patched into a delta chain where delta is on (first one full). */
  publications: Publications;
}

export interface Channels {
  /** @param entry  protocol/entry.ts, offset 0; copied before the call returns. */
  publish(channel: string, entry: Bytes, call: PublishCall, done: Done<PublishResult>): void;
  history(channel: string, filter: HistoryFilter, done: Done<HistoryResult>): void;
  removeHistory(channel: string, done: Done<void>): void;
  presence(channel: string, done: Done<Record<string, ClientInfo>>): void;
  presenceStats(channel: string, done: Done<PresenceStats>): void;

  /**
   * Subscribe. When `done` is called the member is live: every publication after the ack's position follows by
   * `subscriber.write` or `send`, in order; a reply written inside `done` goes out before them.
   * If the member is unsubscribed before that, `done` is not called.
   */
  subscribe(member: Member, call: SubscribeCall, done: Done<SubscribeAck>): void;
  /** Idempotent. Removes presence and says leave if the subscribe call announced it. */
  unsubscribe(member: Member): void;
  /** Renew presence (every `client.presence_update_interval`), or replace its info after a refresh. */
  renewPresence(member: Member, info: Bytes): void;
  /** Channels with at least one live member on this thread: name and number of members. */
  localChannels(): Iterable<[name: string, members: number]>;
}
