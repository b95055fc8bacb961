/**
 * The owner's side of the data path: for each channel that hashes to this worker, the one place where its order is made,
 * where its history and presence are, and where it is known which workers have subscribers.
 *
 * Subscribing without a gap. An attach is handled in one step: the position is read, the worker is noted, the ack is
 * put on the same ring as the channel's publications. So everything up to the ack's position is in the ack, and
 * everything after it follows on the ring. Nothing is buffered, merged or doubled.
 *
 * Losing without silence. A publication that a full ring refuses is replaced by a `lost` record, which must arrive
 * before any later publication of that channel (mesh/link.ts keeps the order). The edge then tells the members who rely
 * on continuity, and they recover from history.
 *
 * The engine must answer at once here; one that must ask over a network needs its attach split in two.
 */
import type { Awaitable, Broker, BrokerSink, PresenceManager } from '../engine/engine.js';
import { type ByteReader, ByteWriter } from '../lib/bytes.js';
import { asClientError, type Calls } from '../mesh/calls.js';
import type { Mesh } from '../mesh/mesh.js';
import { RecordKind } from '../mesh/records.js';
import { errors } from '../protocol/codes.js';
import type { Bytes, StreamPosition } from '../protocol/messages.js';
import { type Attachment, OwnedChannel } from './owned-channel.js';
import { fanOut, readPublish } from './path.js';
import { AttachFlag, DetachFlag, HistoryFlag, SUPPRESSED } from './records.js';
import { NOWHERE, POSITION_ONLY, type Recovery, recoverCache, recoverStream, unrecovered } from './recovery.js';

/** An engine whose answers are at hand. */
type Immediate<T> = {
  [K in keyof T]: T[K] extends (...args: infer A) => Awaitable<infer R> ? (...args: A) => R : T[K];
};

export interface HistoryOptions {
  size: number;
  ttlMs: number;
  metaTtlMs: number;
}

export interface OwnerDeps {
  readonly mesh: Mesh;
  readonly calls: Calls;
  readonly broker: (sink: BrokerSink) => Immediate<Broker>;
  readonly presence: Immediate<PresenceManager>;
  /** What the configuration says of a channel's history; size 0 for none. */
  readonly history: (channel: string) => HistoryOptions;
  readonly recoveryMaxPublications: number;
  readonly log: { error(fields: object, message: string): void };
}

const PRESENCE_TTL_MS = 60_000;
const IDEMPOTENCY_TTL_MS = 300_000;

interface Announcement {
  client: string;
  user: string;
  info: Buffer;
}

export class Owner implements BrokerSink {
  readonly counters = { lostPublications: 0 };
  readonly #channels = new Map<string, OwnedChannel>();
  readonly #out = new ByteWriter(4096);
  readonly #broker: Immediate<Broker>;
  readonly #presence: Immediate<PresenceManager>;
  readonly #mesh: Mesh;
  readonly #calls: Calls;

  constructor(private readonly deps: OwnerDeps) {
    this.#mesh = deps.mesh;
    this.#calls = deps.calls;
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

  // ---- BrokerSink ----

  publication(channel: string, entry: Bytes): void {
    const owned = this.#channels.get(channel);
    if (owned !== undefined) fanOut(this.#out, owned, entry, this.#hand);
  }

  join(channel: string, info: Bytes): void {
    this.#tell(RecordKind.join, channel, info);
  }

  leave(channel: string, info: Bytes): void {
    this.#tell(RecordKind.leave, channel, info);
  }

  lost(channel: string): void {
    for (const edge of this.#channels.get(channel)?.edges ?? []) this.#markLost(edge);
  }

  // ---- handing records to edges ----

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
  #answering(handle: (record: ByteReader, from: number, id: number) => void) {
    return (record: ByteReader, from: number): void => {
      const id = record.u32le();
      try {
        handle.call(this, record, from, id);
      } catch (thrown) {
        const error = asClientError(thrown);
        if (error === errors.internal) this.deps.log.error({ err: thrown }, 'a request to a channel owner failed');
        this.#calls.refuse(from, id, error);
      }
    };
  }

  #publish(record: ByteReader, from: number, id: number): void {
    const { channel, call, entry } = readPublish(record);
    const history = this.deps.history(channel);
    const result = this.#broker.publish(channel, entry, {
      historySize: call.skipHistory ? 0 : history.size,
      historyTtlMs: history.ttlMs,
      historyMetaTtlMs: history.metaTtlMs,
      idempotencyKey: call.idempotencyKey,
      idempotencyTtlMs: IDEMPOTENCY_TTL_MS,
      version: call.version,
      versionEpoch: call.versionEpoch,
      delta: call.delta,
    });
    const out = this.#calls.beginReply(id);
    out.f64le(result.offset);
    out.string(result.epoch);
    out.u8(SUPPRESSED.indexOf(result.suppressed));
    // It is published: "try again", which 111 would say, could publish it twice.
    this.#calls.endReply(from, id, errors.internal);
  }

  #attach(record: ByteReader, from: number, id: number): void {
    const edgeId = record.u32le();
    const channel = record.string();
    const flags = record.u8();
    const since = (flags & AttachFlag.recover) !== 0 ? { offset: record.f64le(), epoch: record.string() } : undefined;
    const announced = (flags & (AttachFlag.presence | AttachFlag.joinLeave)) !== 0;
    const who = announced ? readAnnouncement(record) : undefined;

    const stream = this.#read(channel, flags, since);
    if (since !== undefined && !stream.recovered && (flags & AttachFlag.rejectUnrecovered) !== 0)
      throw errors.unrecoverablePosition;
    const owned = this.#own(channel);
    owned.attach(from, edgeId);
    const told = this.#calls.reply(from, id, (out) => {
      out.f64le(stream.offset);
      out.string(stream.epoch);
      out.u8(stream.recovered ? 1 : 0);
      out.raw(stream.entries);
    });
    // Who is not told detaches, if nobody else is there (see Edge).
    if (!told || who === undefined) return;
    if ((flags & AttachFlag.presence) !== 0)
      this.#presence.add(channel, who.client, who.user, Buffer.from(who.info), PRESENCE_TTL_MS);
    if ((flags & AttachFlag.joinLeave) !== 0) this.#broker.publishJoin(channel, Buffer.from(who.info));
  }

  /** Position, and what the subscriber missed. */
  #read(channel: string, flags: number, since: StreamPosition | undefined): Recovery {
    if ((flags & AttachFlag.position) === 0) return NOWHERE;
    const { metaTtlMs } = this.deps.history(channel);
    const max = this.deps.recoveryMaxPublications;
    if (since === undefined) return unrecovered(this.#broker.history(channel, POSITION_ONLY, metaTtlMs));
    if ((flags & AttachFlag.cache) !== 0) {
      const limit = (flags & AttachFlag.filtered) !== 0 ? max : 1;
      return recoverCache(this.#broker.history(channel, { limit, reverse: true }, metaTtlMs), since);
    }
    return recoverStream(this.#broker.history(channel, { limit: max, since, reverse: false }, metaTtlMs), since);
  }

  #detach(record: ByteReader, from: number): void {
    const edgeId = record.u32le();
    const channel = record.string();
    const flags = record.u8();
    const owned = this.#channels.get(channel);
    if ((flags & DetachFlag.last) !== 0 && owned !== undefined) this.#release(owned, from, edgeId);
    if ((flags & (DetachFlag.presence | DetachFlag.joinLeave)) === 0) return;
    const who = readAnnouncement(record);
    if ((flags & DetachFlag.presence) !== 0) this.#presence.remove(channel, who.client, who.user);
    if ((flags & DetachFlag.joinLeave) !== 0) this.#broker.publishLeave(channel, Buffer.from(who.info));
  }

  #renew(record: ByteReader): void {
    const channel = record.string();
    const who = readAnnouncement(record);
    this.#presence.add(channel, who.client, who.user, Buffer.from(who.info), PRESENCE_TTL_MS);
  }

  #history(record: ByteReader, from: number, id: number): void {
    const channel = record.string();
    const flags = record.u8();
    const limit = record.f64le();
    const since = (flags & HistoryFlag.since) !== 0 ? { offset: record.f64le(), epoch: record.string() } : undefined;
    const reverse = (flags & HistoryFlag.reverse) !== 0;
    const history = this.#broker.history(channel, { limit, since, reverse }, this.deps.history(channel).metaTtlMs);
    if (since !== undefined && since.epoch !== '' && since.epoch !== history.epoch) throw errors.unrecoverablePosition;
    this.#calls.reply(from, id, (out) => {
      out.f64le(history.offset);
      out.string(history.epoch);
      out.raw(history.entries);
    });
  }

  #removeHistory(record: ByteReader, from: number, id: number): void {
    this.#broker.removeHistory(record.string());
    this.#calls.reply(from, id, () => {});
  }

  #showPresence(record: ByteReader, from: number, id: number): void {
    const present = this.#presence.presence(record.string());
    this.#calls.reply(from, id, (out) => {
      for (const [client, info] of present) {
        out.string(client);
        out.bytes(info);
      }
    });
  }

  #presenceStats(record: ByteReader, from: number, id: number): void {
    const stats = this.#presence.stats(record.string());
    this.#calls.reply(from, id, (out) => {
      out.u32le(stats.numClients);
      out.u32le(stats.numUsers);
    });
  }

  // ---- which workers a channel is on ----

  #own(channel: string): OwnedChannel {
    let owned = this.#channels.get(channel);
    if (owned === undefined) {
      this.#broker.subscribe(channel);
      owned = new OwnedChannel(channel);
      this.#channels.set(channel, owned);
    }
    return owned;
  }

  #release(owned: OwnedChannel, slot: number, edgeId: number): void {
    owned.detach(slot, edgeId);
    this.#dropIfUnused(owned);
  }

  #dropIfUnused(owned: OwnedChannel): void {
    if (owned.edges.length > 0) return;
    this.#channels.delete(owned.name);
    this.#broker.unsubscribe(owned.name);
  }

  #forgetSlot(slot: number): void {
    for (const owned of [...this.#channels.values()]) {
      owned.detachAll(slot);
      this.#dropIfUnused(owned);
    }
  }

  /** The edge does not know this number: its detach was dropped by an overflow. */
  #forgetEdge(slot: number, edgeId: number): void {
    for (const owned of this.#channels.values()) {
      if (!owned.edges.some((edge) => edge.slot === slot && edge.edgeId === edgeId)) continue;
      this.#release(owned, slot, edgeId);
      return;
    }
  }
}

function readAnnouncement(record: ByteReader): Announcement {
  return { client: record.string(), user: record.string(), info: record.rest() };
}
