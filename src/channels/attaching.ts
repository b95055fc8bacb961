/**
 * One request of an edge to attach to a channel, from its record to its acknowledgement: subscribe at the broker, read
 * history, meet the feed (follower.ts), then acknowledge on the ring that carries the channel's publications.
 *
 * With an engine that answers at once all of it happens inside the call; nothing here assumes that it does not.
 */
import type { History, HistoryFilter } from '../engine/engine.js';
import type { ByteReader } from '../lib/bytes.js';
import { channelNames } from '../lib/text-cache.js';
import type { Ticket } from '../mesh/calls.js';
import { type ClientError, errors } from '../protocol/codes.js';
import { findEntry } from '../protocol/entry.js';
import type { Bytes, StreamPosition } from '../protocol/messages.js';
import type { Joining } from './catching-up.js';
import type { Follower } from './follower.js';
import type { OwnedChannel } from './owned-channel.js';
import { AttachFlag, RECOVERED } from './records.js';
import { extend, NOWHERE, POSITION_ONLY, type Recovery, recoverCache, recoverStream, unrecovered } from './recovery.js';

/** A stream that is another one each time it is read is not going to be caught up with. */
const READS_MAX = 4;
/** The newest publication tells the follower what it looks like. */
const NEWEST: HistoryFilter = { limit: 1, reverse: true };

/** How a client is shown in presence, join and leave. */
export interface Announcement {
  readonly client: string;
  readonly user: string;
  readonly info: Buffer;
}

/** Copied: the record is only valid while it is handled. */
export function readAnnouncement(record: ByteReader): Announcement {
  return { client: record.string(), user: record.string(), info: Buffer.from(record.rest()) };
}

export interface AttachingHost {
  /** Has it go on by {@link Attaching.subscribed} when the broker delivers the channel, or fail. */
  whenSubscribed(attaching: Attaching): void;
  /** The channel's stream, if it is to have one. */
  follower(channel: OwnedChannel): Follower | undefined;
  read(
    channel: OwnedChannel,
    filter: HistoryFilter,
    done: (history: History) => void,
    failed: (error: ClientError) => void,
  ): void;
  /** The edge was told, or could not be. */
  attached(attaching: Attaching, told: boolean): void;
  gaveUp(attaching: Attaching): void;
  readonly recoveryMaxPublications: number;
}

export class Attaching implements Joining {
  readonly edgeId: number;
  readonly flags: number;
  readonly since: StreamPosition | undefined;
  readonly held: number | undefined;
  /** Undefined also once the client has left again. */
  who: Announcement | undefined;
  /** The edge does not want it any more, or is gone. */
  cancelled = false;
  #read: History | undefined;
  #reads = 0;

  constructor(
    private readonly host: AttachingHost,
    readonly channel: OwnedChannel,
    readonly ticket: Ticket,
    request: AttachRequest,
  ) {
    this.edgeId = request.edgeId;
    this.flags = request.flags;
    this.since = request.since;
    this.held = request.held;
    this.who = request.who;
  }

  start(): void {
    this.host.whenSubscribed(this);
  }

  // ---- Joining ----

  join(position: StreamPosition, since: readonly Bytes[] | undefined): void {
    const recovery = this.#recover(position, since);
    if (recovery === undefined) this.fail(errors.tooManyRequests);
    else if (this.since !== undefined && !recovery.recovered && this.#has(AttachFlag.rejectUnrecovered))
      this.fail(errors.unrecoverablePosition);
    else this.#acknowledge(recovery);
  }

  again(): void {
    if (this.#reads < READS_MAX) this.subscribed();
    else this.fail(errors.internal);
  }

  // ---- steps ----

  subscribed(): void {
    if (this.#isOver()) return;
    const follower = this.host.follower(this.channel);
    if (follower === undefined) {
      this.#acknowledge(NOWHERE);
      return;
    }
    const known = this.#known(follower.position);
    if (known === undefined) this.#readHistory(follower);
    else this.#acknowledge(known);
  }

  #readHistory(follower: Follower): void {
    this.#reads++;
    const generation = follower.reading();
    this.host.read(
      this.channel,
      this.#filter(follower),
      (history) => {
        this.#read = history;
        follower.arrived(generation, history, this);
      },
      (error) => {
        follower.failed();
        this.fail(error);
      },
    );
  }

  fail(error: ClientError): void {
    if (this.#isOver()) return;
    this.channel.settle(this);
    this.ticket.refuse(error);
    this.host.gaveUp(this);
  }

  #acknowledge({ offset, epoch, recovered, entries }: Recovery): void {
    if (this.#isOver()) return;
    this.channel.settle(this);
    this.channel.attach(this.ticket.slot, this.edgeId);
    const continues = recovered && this.held !== undefined && this.held <= offset;
    const told = this.ticket.reply((out) => {
      out.f64le(offset);
      out.string(epoch);
      out.u8(continues ? RECOVERED.afterHeld : recovered ? RECOVERED.whole : RECOVERED.no);
      if (!continues) out.raw(entries);
      else if (this.held! < offset) out.raw(entries.subarray(findEntry(entries, this.held! + 1)));
    });
    this.host.attached(this, told);
  }

  #isOver(): boolean {
    if (!this.cancelled && this.ticket.valid) return false;
    if (this.channel.settle(this)) this.host.gaveUp(this);
    return true;
  }

  /** What the follower's position says already: most who come back have missed nothing, and then history is not asked. */
  #known(position: StreamPosition | undefined): Recovery | undefined {
    if (position === undefined) return undefined;
    if (!this.#has(AttachFlag.position)) return NOWHERE;
    if (this.since === undefined) return unrecovered(position);
    const { offset, epoch } = this.since;
    const isThere = offset > 0 && offset === position.offset && epoch === position.epoch;
    return isThere ? { ...unrecovered(position), recovered: true } : undefined;
  }

  #filter(follower: Follower): HistoryFilter {
    const max = this.host.recoveryMaxPublications;
    if (this.since === undefined) return follower.following ? POSITION_ONLY : NEWEST;
    if (this.#has(AttachFlag.cache)) return { limit: this.#has(AttachFlag.filtered) ? max : 1, reverse: true };
    return { limit: max, since: this.since, reverse: false };
  }

  /** Undefined where what was missed is known to be more than could be kept. */
  #recover(position: StreamPosition, since: readonly Bytes[] | undefined): Recovery | undefined {
    if (!this.#has(AttachFlag.position)) return NOWHERE;
    if (this.since === undefined) return unrecovered(position);
    if (since === undefined) return undefined;
    const reverse = this.#has(AttachFlag.cache);
    const history = extend(this.#read!, position, since, reverse);
    return reverse ? recoverCache(history, this.since) : recoverStream(history, this.since);
  }

  #has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }
}

export interface AttachRequest {
  readonly edgeId: number;
  /** Of the channel. */
  readonly name: string;
  readonly flags: number;
  readonly since: StreamPosition | undefined;
  /** The edge has everything after `since` up to this offset. */
  readonly held: number | undefined;
  readonly who: Announcement | undefined;
}

/** What follows the call's number in an attach record. */
export function readAttach(record: ByteReader): AttachRequest {
  const edgeId = record.u32le();
  const name = record.cachedString(channelNames);
  const flags = record.u8();
  const since = (flags & AttachFlag.recover) !== 0 ? { offset: record.f64le(), epoch: record.string() } : undefined;
  const held = (flags & AttachFlag.holds) !== 0 ? record.f64le() : undefined;
  const announced = (flags & (AttachFlag.presence | AttachFlag.joinLeave)) !== 0;
  return { edgeId, name, flags, since, held, who: announced ? readAnnouncement(record) : undefined };
}
