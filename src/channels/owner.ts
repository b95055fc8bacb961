/**
 * The owner's side of the data path: for each channel that hashes to this worker, the one place where its order is made,
 * where its history and presence are asked, and where it is known which workers have subscribers.
 *
 * Subscribing without a gap. The ack of an attach carries a position and stands on the same ring as the channel's
 * publications, at that very position: everything up to it is in the ack, everything after it follows on the ring.
 * Nothing is merged or doubled at the edge. attaching.ts and follower.ts see to it that owner and engine agree on where
 * the stream is, also when the engine is at the other end of a network.
 *
 * Losing without silence. A publication that a full ring refuses is replaced by a `lost` record, which must arrive
 * before any later publication of that channel (mesh/link.ts keeps the order). The edge then tells the members who rely
 * on continuity, and they recover from history.
 */
import type {
  Awaitable,
  Broker,
  BrokerSink,
  History,
  HistoryFilter,
  PresenceManager,
  PublishReply,
  PublishResult,
} from '../engine/engine.js';
import { type ByteReader, ByteWriter } from '../lib/bytes.js';
import { Sweep } from '../lib/sweep.js';
import { asClientError, type Calls, type Ticket } from '../mesh/calls.js';
import type { Mesh } from '../mesh/mesh.js';
import { RecordKind } from '../mesh/records.js';
import { type ClientError, errors } from '../protocol/codes.js';
import { entryOffset } from '../protocol/entry.js';
import type { Bytes } from '../protocol/messages.js';
import { type Announcement, Attaching, type AttachingHost, readAnnouncement, readAttach } from './attaching.js';
import { Follower, type FollowerHost } from './follower.js';
import { type Attachment, OwnedChannel } from './owned-channel.js';
import { fanOut, readPublish } from './path.js';
import { AttachFlag, DetachFlag, HistoryFlag, SUPPRESSED } from './records.js';

export interface HistoryOptions {
  size: number;
  ttlMs: number;
  metaTtlMs: number;
}

export interface OwnerDeps {
  readonly mesh: Mesh;
  readonly calls: Calls;
  readonly broker: (sink: BrokerSink) => Broker;
  readonly presence: PresenceManager;
  /** What the configuration says of a channel's history; size 0 for none. */
  readonly history: (channel: string) => HistoryOptions;
  readonly recoveryMaxPublications: number;
  /**
   * How long a channel is kept after its last subscriber, with what is known of its stream; longer while the broker is
   * away. 0 where subscribing costs nothing and nothing is forgotten.
   */
  readonly lingerMs: number;
  /** `client.channel_position_check_delay`; 0 where the broker's feed needs no checks. */
  readonly positionCheckMs: number;
  /** Calls back after some time. */
  readonly later: (ms: number, run: () => void) => void;
  readonly log: { error(fields: object, message: string): void };
}

const PRESENCE_TTL_MS = 60_000;
const IDEMPOTENCY_TTL_MS = 300_000;
const RESET_RETRY_MS = 250;
/** How often a part of the channels has its position checked. */
export const POSITION_CHECK_STEP_MS = 1000;

export class Owner implements BrokerSink, AttachingHost, FollowerHost {
  readonly counters = { lostPublications: 0 };
  readonly recoveryMaxPublications: number;
  readonly healMaxPublications: number;
  readonly later: (ms: number, run: () => void) => void;
  readonly #channels = new Map<string, OwnedChannel>();
  /** Streams that lost their end and have not got a new epoch yet, because the broker is away. By name, their epoch. */
  readonly #damaged = new Map<string, string>();
  readonly #check: Sweep<string, OwnedChannel>;
  readonly #out = new ByteWriter(4096);
  readonly #broker: Broker;
  readonly #presence: PresenceManager;
  readonly #mesh: Mesh;
  readonly #calls: Calls;

  constructor(private readonly deps: OwnerDeps) {
    this.#mesh = deps.mesh;
    this.#calls = deps.calls;
    this.later = deps.later;
    this.recoveryMaxPublications = this.healMaxPublications = deps.recoveryMaxPublications;
    const checks = Math.ceil(deps.positionCheckMs / POSITION_CHECK_STEP_MS);
    this.#check = new Sweep(this.#channels, ({ follower }) => follower?.check(), checks, 1);
    this.#presence = deps.presence;
    this.#broker = deps.broker(this);
    this.#mesh.on(RecordKind.publish, this.#answering(this.#publish));
    this.#mesh.on(RecordKind.attach, this.#answering(this.#attach));
    this.#mesh.on(RecordKind.history, this.#answering(this.#history));
    this.#mesh.on(RecordKind.removeHistory, this.#answering(this.#removeHistory));
    this.#mesh.on(RecordKind.presence, this.#answering(this.#showPresence));
    this.#mesh.on(RecordKind.presenceStats, this.#answering(this.#presenceStats));
    this.#mesh.on(RecordKind.detach, (record, from) => this.#detach(record, from));
    this.#mesh.on(RecordKind.renew, (record) => this.#renew(record));
    this.#mesh.on(RecordKind.unknownEdge, (record, from) => this.#forgetEdge(from, record.u32le()));
    this.#mesh.onReplaced((slot) => this.#forgetSlot(slot));
  }

  /** Compare a part of the streams that stand still with the broker. Call it every {@link POSITION_CHECK_STEP_MS}. */
  checkPositions(): void {
    if (this.deps.positionCheckMs > 0) this.#check.run(0);
  }

  // ---- BrokerSink ----

  publication(name: string, entry: Bytes, epoch: string): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    if (channel.follower !== undefined && entryOffset(entry) > 0) channel.follower.publication(entry, epoch);
    else this.deliver(channel, entry);
  }

  join(channel: string, info: Bytes): void {
    this.#tell(RecordKind.join, channel, info);
  }

  leave(channel: string, info: Bytes): void {
    this.#tell(RecordKind.leave, channel, info);
  }

  interrupted(channel: string): void {
    this.#channels.get(channel)?.follower?.interrupted();
  }

  // ---- handing records to edges ----

  deliver(channel: OwnedChannel, entry: Bytes): void {
    fanOut(this.#out, channel, entry, this.#hand);
  }

  lose(channel: OwnedChannel): void {
    for (const edge of channel.edges) this.#markLost(edge);
  }

  readonly #hand = (edge: Attachment, record: Buffer): void => {
    if (this.#mesh.send(edge.slot, record)) return;
    this.counters.lostPublications++;
    this.#markLost(edge);
  };

  /** Once until it has been told: a link that owes anything takes nothing but what it must. */
  #markLost(edge: Attachment): void {
    const link = this.#mesh.link(edge.slot);
    if (link.owes && edge.lostEpoch === link.owedEpoch) return;
    edge.lostEpoch = link.owedEpoch;
    const record = Buffer.allocUnsafe(5);
    record[0] = RecordKind.lost;
    record.writeUInt32LE(edge.edgeId, 1);
    this.#mesh.mustSend(edge.slot, record);
  }

  /** Join and leave are told to whoever the link has room for: they promise nothing. */
  #tell(kind: number, channel: string, info: Bytes): void {
    const out = this.#out;
    for (const edge of this.#channels.get(channel)?.edges ?? []) {
      out.reset();
      out.u8(kind);
      out.u32le(edge.edgeId);
      out.raw(info);
      this.#mesh.send(edge.slot, out.view());
    }
  }

  // ---- what edges ask ----

  /** A handler of a call: whatever it throws is the answer. */
  #answering(handle: (record: ByteReader, ticket: Ticket) => void) {
    return (record: ByteReader, from: number): void => {
      const ticket = this.#calls.ticket(from, record.u32le());
      try {
        handle.call(this, record, ticket);
      } catch (thrown) {
        ticket.refuse(this.#asError(thrown));
      }
    };
  }

  #asError(thrown: unknown): ClientError {
    const error = asClientError(thrown);
    // A code is an answer; anything else is a fault of ours.
    if (thrown !== error) this.deps.log.error({ err: thrown }, 'a request to a channel owner failed');
    return error;
  }

  /** `then` at once where the answer is at hand. */
  #when<T>(answer: Awaitable<T>, then: (value: T) => void, failed: (error: ClientError) => void): void {
    if (answer instanceof Promise) answer.then(then).catch((thrown) => failed(this.#asError(thrown)));
    else then(answer);
  }

  #publish(record: ByteReader, ticket: Ticket): void {
    const { channel, call, entry } = readPublish(record);
    const history = this.deps.history(channel);
    const options = {
      historySize: call.skipHistory ? 0 : history.size,
      historyTtlMs: history.ttlMs,
      historyMetaTtlMs: history.metaTtlMs,
      idempotencyKey: call.idempotencyKey,
      idempotencyTtlMs: IDEMPOTENCY_TTL_MS,
      version: call.version,
      versionEpoch: call.versionEpoch,
      delta: call.delta,
    };
    this.#broker.publish(channel, entry, options, new Publishing(this.#calls, ticket));
  }

  #attach(record: ByteReader, ticket: Ticket): void {
    const { name, ...request } = readAttach(record);
    const channel = this.#own(name);
    const attaching = new Attaching(this, channel, ticket, request);
    channel.expect(attaching);
    attaching.start();
  }

  // ---- AttachingHost ----

  subscribed(channel: OwnedChannel, then: () => void, failed: (error: ClientError) => void): void {
    if (channel.subscribing !== undefined) this.#when(channel.subscribing, then, failed);
    else if (this.#broker.feed(channel.name) === 'up') then();
    else failed(errors.internal);
  }

  follower(channel: OwnedChannel): Follower | undefined {
    if (channel.follower === undefined && this.deps.history(channel.name).size > 0)
      channel.follower = new Follower(this, channel);
    return channel.follower;
  }

  read(
    channel: OwnedChannel,
    filter: HistoryFilter,
    done: (history: History) => void,
    failed: (error: ClientError) => void,
  ): void {
    this.#when(this.#readHistory(channel.name, filter), done, failed);
  }

  /** @throws 100 for a stream that is known to be wrong. */
  #readHistory(channel: string, filter: HistoryFilter): Awaitable<History> {
    if (this.#damaged.has(channel)) throw errors.internal;
    return this.#broker.history(channel, filter, this.deps.history(channel).metaTtlMs);
  }

  // ---- FollowerHost ----

  resetEpoch({ name }: OwnedChannel, epoch: string): void {
    this.deps.log.error({ channel: name, epoch }, 'a stream has lost its end: it starts anew');
    this.#damaged.set(name, epoch);
    this.#reset(name, epoch);
  }

  #reset(name: string, epoch: string): void {
    const done = (): void => void this.#damaged.delete(name);
    const failed = (): void => this.later(RESET_RETRY_MS, () => this.#reset(name, epoch));
    this.#when(this.#broker.resetEpoch(name, epoch), done, failed);
  }

  attached({ channel, flags, who }: Attaching, told: boolean): void {
    // Who is not told detaches, if nobody else is there (see Edge).
    if (!told || who === undefined) return;
    if ((flags & AttachFlag.presence) !== 0) this.#announce(channel.name, who);
    if ((flags & AttachFlag.joinLeave) !== 0) this.#notice(this.#broker.publishJoin(channel.name, who.info));
  }

  gaveUp({ channel }: Attaching): void {
    this.#dropIfUnused(channel);
  }

  #detach(record: ByteReader, from: number): void {
    const edgeId = record.u32le();
    const name = record.string();
    const flags = record.u8();
    const announced = (flags & (DetachFlag.presence | DetachFlag.joinLeave)) !== 0;
    const who = announced ? readAnnouncement(record) : undefined;
    const channel = this.#channels.get(name);
    // Whoever leaves before its attach was answered was not announced yet.
    const waiting = channel?.attaching.find((it) => it.ticket.slot === from && it.who?.client === who?.client);
    if (channel !== undefined && (flags & DetachFlag.last) !== 0) this.#release(channel, from, edgeId);
    if (who === undefined) return;
    if (waiting !== undefined) {
      waiting.who = undefined;
      return;
    }
    if ((flags & DetachFlag.presence) !== 0) this.#notice(this.#presence.remove(name, who.client, who.user));
    if ((flags & DetachFlag.joinLeave) !== 0) this.#notice(this.#broker.publishLeave(name, who.info));
  }

  #renew(record: ByteReader): void {
    const channel = record.string();
    this.#announce(channel, readAnnouncement(record));
  }

  #announce(channel: string, { client, user, info }: Announcement): void {
    this.#notice(this.#presence.add(channel, client, user, info, PRESENCE_TTL_MS));
  }

  /** Presence is renewed, and joins and leaves promise nothing: the engine logs what it could not do. */
  #notice(done: Awaitable<void>): void {
    this.#when(
      done,
      () => {},
      () => {},
    );
  }

  #history(record: ByteReader, ticket: Ticket): void {
    const channel = record.string();
    const flags = record.u8();
    const limit = record.f64le();
    const since = (flags & HistoryFlag.since) !== 0 ? { offset: record.f64le(), epoch: record.string() } : undefined;
    const filter = { limit, since, reverse: (flags & HistoryFlag.reverse) !== 0 };
    this.#answer(
      ticket,
      this.#broker.history(channel, filter, this.deps.history(channel).metaTtlMs),
      (history, out) => {
        if (since !== undefined && since.epoch !== '' && since.epoch !== history.epoch)
          throw errors.unrecoverablePosition;
        out.f64le(history.offset);
        out.string(history.epoch);
        out.raw(history.entries);
      },
    );
  }

  #removeHistory(record: ByteReader, ticket: Ticket): void {
    this.#answer(ticket, this.#broker.removeHistory(record.string()), () => {});
  }

  #showPresence(record: ByteReader, ticket: Ticket): void {
    this.#answer(ticket, this.#presence.presence(record.string()), (present, out) => {
      for (const [client, info] of present) {
        out.string(client);
        out.bytes(info);
      }
    });
  }

  #presenceStats(record: ByteReader, ticket: Ticket): void {
    this.#answer(ticket, this.#presence.stats(record.string()), (stats, out) => {
      out.u32le(stats.numClients);
      out.u32le(stats.numUsers);
    });
  }

  #answer<T>(ticket: Ticket, result: Awaitable<T>, write: (value: T, out: ByteWriter) => void): void {
    this.#when(
      result,
      (value) => void ticket.reply((out) => write(value, out)),
      (error) => ticket.refuse(error),
    );
  }

  // ---- which workers a channel is on ----

  #own(name: string): OwnedChannel {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = new OwnedChannel(name);
      this.#channels.set(name, channel);
      this.#subscribe(channel);
    }
    return channel;
  }

  #subscribe(channel: OwnedChannel): void {
    const subscribing = this.#broker.subscribe(channel.name);
    if (!(subscribing instanceof Promise)) return;
    channel.subscribing = subscribing;
    subscribing.then(
      () => {
        channel.subscribing = undefined;
      },
      // Everybody who waits is refused, and whoever comes next tries again.
      () => this.#forget(channel),
    );
  }

  #release(channel: OwnedChannel, slot: number, edgeId: number): void {
    channel.detach(slot, edgeId);
    for (const attaching of channel.attaching)
      if (attaching.ticket.slot === slot && attaching.edgeId === edgeId) attaching.cancelled = true;
    this.#dropIfUnused(channel);
  }

  #dropIfUnused(channel: OwnedChannel): void {
    if (!channel.unused || channel.lingers) return;
    if (this.deps.lingerMs === 0) this.#forget(channel);
    else this.#linger(channel);
  }

  /**
   * Subscribers come back soon as a rule. And what is known of a stream must not be forgotten while the broker is away: it
   * may come back without the end of the stream, and nobody else may know.
   */
  #linger(channel: OwnedChannel): void {
    channel.lingers = true;
    this.later(this.deps.lingerMs, () => {
      channel.lingers = false;
      if (!channel.unused) return;
      const settled = channel.follower?.settled !== false && this.#broker.feed(channel.name) === 'up';
      if (settled) this.#forget(channel);
      else this.#linger(channel);
    });
  }

  #forget(channel: OwnedChannel): void {
    if (this.#channels.get(channel.name) !== channel) return;
    this.#channels.delete(channel.name);
    this.#broker.unsubscribe(channel.name);
  }

  #forgetSlot(slot: number): void {
    for (const channel of [...this.#channels.values()]) {
      channel.detachAll(slot);
      this.#dropIfUnused(channel);
    }
  }

  /** The edge does not know this number: its detach was dropped by an overflow. */
  #forgetEdge(slot: number, edgeId: number): void {
    for (const channel of this.#channels.values()) {
      if (!channel.edges.some((edge) => edge.slot === slot && edge.edgeId === edgeId)) continue;
      this.#release(channel, slot, edgeId);
      return;
    }
  }
}

/** A publisher that waits for the broker. */
class Publishing implements PublishReply {
  constructor(
    private readonly calls: Calls,
    private readonly ticket: Ticket,
  ) {}

  succeed(offset: number, epoch: string, suppressed?: PublishResult['suppressed']): void {
    const { ticket } = this;
    if (!ticket.valid) return;
    const out = this.calls.beginReply(ticket.id);
    out.f64le(offset);
    out.string(epoch);
    out.u8(SUPPRESSED.indexOf(suppressed));
    // It is published: "try again", which 111 would say, could publish it twice.
    this.calls.endReply(ticket.slot, ticket.id, errors.internal);
  }

  fail(error: ClientError): void {
    this.ticket.refuse(error);
  }
}
