/**
 * The edge's side of the data path, on every thread: publishing and reading go to the owner; subscribing adds a member
 * to the channel's delivery classes when the owner's ack arrives on the ring (see owner.ts for why nothing is missed).
 */
import type { HistoryFilter, PresenceStats, PublishResult } from '../engine/engine.js';
import { type ByteReader, ByteWriter, retained } from '../lib/bytes.js';
import type { Clock } from '../lib/clock.js';
import { hash32 } from '../lib/hash.js';
import { PassingMap } from '../lib/passing-map.js';
import type { Turn } from '../lib/turn.js';
import type { Calls, Pending } from '../mesh/calls.js';
import type { Mesh } from '../mesh/mesh.js';
import { RecordKind } from '../mesh/records.js';
import { decodeClientInfo } from '../protocol/client-info.js';
import { errors } from '../protocol/codes.js';
import { decodeEntries } from '../protocol/entry.js';
import type { Bytes, ClientInfo, HistoryResult, StreamPosition } from '../protocol/messages.js';
import { Answer, readHistory, readPresence, readPublishResult, readStats } from './answers.js';
import type { Channels, Done, Member, PublishCall, SubscribeAck, SubscribeCall } from './channels.js';
import { classTraits } from './delivery.js';
import { asPatchChain, EdgeChannel } from './edge-channel.js';
import { deliver, writePublish } from './path.js';
import { AttachFlag, DetachFlag, HistoryFlag, RECOVERED } from './records.js';
import { chooseMissed, looksAtMissed, type Recovered, RecoveredLately, sharesMissed } from './recovered.js';
import type { Announced, Seat } from './seat.js';

export interface EdgeDeps {
  readonly mesh: Mesh;
  readonly calls: Calls;
  readonly turn: Pick<Turn, 'touch'>;
  /** Channels are owned by slots 0 … owners-1. */
  readonly owners: number;
  /** The same on all threads of the process, see {@link hash32}. */
  readonly hashSeed?: number;
  /** The engine's, which stamps publications. */
  readonly clock: Clock;
  /** `client.channel_position_max_time_lag`: a publication older than this counts as lost. 0: no limit. */
  readonly maxLagMs?: number;
}

const NO_ENTRIES = Buffer.alloc(0);

export class Edge implements Channels {
  readonly #byName = new PassingMap<string, EdgeChannel>();
  readonly #byId = new PassingMap<number, EdgeChannel>();
  readonly #out = new ByteWriter(4096);
  readonly #mesh: Mesh;
  readonly #calls: Calls;
  readonly #recovered = new RecoveredLately();
  #lastId = 0;

  constructor(private readonly deps: EdgeDeps) {
    this.#mesh = deps.mesh;
    this.#calls = deps.calls;
    this.#mesh.on(RecordKind.publication, (record, from) => {
      const unknownId = deliver(this.#byId, record);
      if (unknownId !== undefined) this.#unknown(unknownId, from);
    });
    this.#mesh.on(RecordKind.join, (record) => this.#announce('join', record));
    this.#mesh.on(RecordKind.leave, (record) => this.#announce('leave', record));
    this.#mesh.on(RecordKind.lost, (record) => this.#byId.get(record.u32le())?.lose());
    this.#mesh.on(RecordKind.overflow, (_, from) => this.#forEachOwnedBy(from, (channel) => channel.lose()));
    this.#mesh.onReplaced((slot) => this.#forEachOwnedBy(slot, (channel) => this.#reattach(channel)));
  }

  // ---- requests ----

  publish(channel: string, entry: Bytes, call: PublishCall, done: Done<PublishResult>): void {
    const slot = this.#ownerOf(channel);
    const id = this.#calls.open(slot, new Answer(done, readPublishResult));
    const out = this.#out.reset();
    writePublish(out, id, channel, entry, call);
    this.#calls.request(slot, id, out.record());
  }

  history(channel: string, filter: HistoryFilter, done: Done<HistoryResult>): void {
    if (filter.reverse && filter.since?.offset === 0) {
      done(errors.badRequest, undefined);
      return;
    }
    this.#ask(RecordKind.history, channel, new Answer(done, readHistory), (out) => {
      out.u8((filter.since ? HistoryFlag.since : 0) | (filter.reverse ? HistoryFlag.reverse : 0));
      out.f64le(filter.limit);
      if (!filter.since) return;
      out.f64le(filter.since.offset);
      out.string(filter.since.epoch);
    });
  }

  removeHistory(channel: string, done: Done<void>): void {
    this.#ask(RecordKind.removeHistory, channel, new Answer(done, () => {}));
  }

  presence(channel: string, done: Done<Record<string, ClientInfo>>): void {
    this.#ask(RecordKind.presence, channel, new Answer(done, readPresence));
  }

  presenceStats(channel: string, done: Done<PresenceStats>): void {
    this.#ask(RecordKind.presenceStats, channel, new Answer(done, readStats));
  }

  // ---- subscriptions ----

  subscribe(member: Member, call: SubscribeCall, done: Done<SubscribeAck>): void {
    const channel = this.#channel(member.channel);
    channel.pending++;
    const seat: Seat = {
      channel,
      positioned: call.positioned,
      announced: call.info && { ...call.info },
      delivery: undefined,
    };
    member.seat = seat;
    const held = sharesMissed(call) ? this.#recovered.since(channel.name, call.recover!.since) : undefined;
    this.#sendAttach(channel, attachFlags(call), call.recover?.since, held?.top, seat.announced, {
      succeed: (ack) => {
        if (member.seat === seat) this.#admit(member, call, ack, held, done);
        else {
          channel.pending--;
          this.#dropIfUnused(channel);
        }
      },
      fail: (error) => {
        channel.pending--;
        if (member.seat === seat) {
          member.seat = undefined;
          // After a deadline nobody knows whether the owner acted on it, so it is undone in any case.
          this.#detach(channel, error === errors.internal ? seat.announced : undefined);
          done(error, undefined);
        } else this.#dropIfUnused(channel);
      },
    });
  }

  unsubscribe(member: Member): void {
    const { seat } = member;
    if (seat === undefined) return;
    member.seat = undefined;
    if (seat.delivery !== undefined) seat.channel.remove(member, seat.delivery);
    this.#detach(seat.channel, seat.announced);
  }

  renewPresence(member: Member, info: Bytes): void {
    const announced = member.seat?.announced;
    if (announced === undefined) return;
    announced.bytes = info;
    this.#renew(member.seat!.channel, announced);
  }

  *localChannels(): Iterable<[string, number]> {
    for (const channel of this.#byName.values()) if (channel.members > 0) yield [channel.name, channel.members];
  }

  /** Once more if the link is full now: it is repeated in good time before presence expires. */
  #renew(channel: EdgeChannel, announced: Announced | undefined): void {
    if (!announced?.presence) return;
    const out = this.#out.reset();
    out.u8(RecordKind.renew);
    out.string(channel.name);
    writeAnnounced(out, announced);
    this.#mesh.send(channel.owner, out.record());
  }

  /** The ack is in: from here on the member gets what the channel gets. */
  #admit(
    member: Member,
    call: SubscribeCall,
    ack: ByteReader,
    held: Recovered | undefined,
    done: Done<SubscribeAck>,
  ): void {
    const offset = ack.f64le();
    const epoch = ack.string();
    const recovered = ack.u8();
    const { codec, unidirectional } = member.subscriber;
    const newer = ack.done ? NO_ENTRIES : retained(ack.rest());
    const goesOn = recovered === RECOVERED.afterHeld ? held : undefined;
    const entries =
      recovered !== RECOVERED.no && sharesMissed(call)
        ? this.#recovered.keep(member.channel, call.recover!.since, goesOn, newer, offset)
        : { bytes: newer };
    const chosen = looksAtMissed(call) ? chooseMissed(decodeEntries(entries.bytes), call) : undefined;
    const newest = chosen?.at(-1);
    const base = newest?.offset === offset ? newest.data : undefined;
    const traits = classTraits(codec, unidirectional, call.joinLeave, 'none', call.filter);
    const { channel } = member.seat!;
    channel.add(member, traits, call.delta, offset, base);
    // Not before it is in: all others may have been told of a loss just now, and the channel is forgotten with the last.
    channel.pending--;
    const publications = chosen !== undefined && call.delta ? asPatchChain(chosen, codec.name) : (chosen ?? entries);
    done(null, { offset: Math.max(offset, 0), epoch, recovered: recovered !== RECOVERED.no, publications });
  }

  #sendAttach(
    channel: EdgeChannel,
    flags: number,
    since: StreamPosition | undefined,
    held: number | undefined,
    announced: Announced | undefined,
    pending: Pending,
  ): void {
    const id = this.#calls.open(channel.owner, pending);
    const out = this.#out.reset();
    out.u8(RecordKind.attach);
    out.u32le(id);
    out.u32le(channel.id);
    out.string(channel.name);
    out.u8(flags | (held === undefined ? 0 : AttachFlag.holds));
    if ((flags & AttachFlag.recover) !== 0) {
      out.f64le(since!.offset);
      out.string(since!.epoch);
    }
    if (held !== undefined) out.f64le(held);
    if ((flags & (AttachFlag.presence | AttachFlag.joinLeave)) !== 0) writeAnnounced(out, announced!);
    this.#calls.request(channel.owner, id, out.record());
  }

  /** A member is gone, or never came: tell the owner what it has to know. */
  #detach(channel: EdgeChannel, announced: Announced | undefined): void {
    const unused = channel.members === 0 && channel.pending === 0;
    const flags =
      (unused ? DetachFlag.last : 0) |
      (announced?.presence ? DetachFlag.presence : 0) |
      (announced?.joinLeave ? DetachFlag.joinLeave : 0);
    if (unused) this.#forget(channel);
    if (flags === 0) return;
    const out = this.#out.reset();
    out.u8(RecordKind.detach);
    out.u32le(channel.id);
    out.string(channel.name);
    out.u8(flags);
    if (announced !== undefined) writeAnnounced(out, announced);
    // Until the owner reads it there is a record too many for each publication: no reason to wake it.
    this.#mesh.mustSend(channel.owner, out.record(), announced !== undefined);
  }

  #dropIfUnused(channel: EdgeChannel): void {
    if (channel.members === 0 && channel.pending === 0 && this.#byId.has(channel.id)) this.#detach(channel, undefined);
  }

  /**
   * The owner died, and with it the channel's history: who relies on it is told, the others go on with the new owner.
   * Presence is made known again; joins are not repeated.
   */
  #reattach(channel: EdgeChannel): void {
    channel.lose();
    channel.forgetPosition();
    if (channel.members === 0) return;
    channel.pending++;
    this.#sendAttach(channel, 0, undefined, undefined, undefined, {
      succeed: () => {
        channel.pending--;
        this.#dropIfUnused(channel);
      },
      fail: () => {
        channel.pending--;
        for (const member of [...channel.all()]) member.insufficientState();
        this.#dropIfUnused(channel);
      },
    });
    for (const { seat } of channel.all()) this.#renew(channel, seat!.announced);
  }

  #announce(kind: 'join' | 'leave', record: ByteReader): void {
    const channel = this.#byId.get(record.u32le());
    channel?.announce(kind, decodeClientInfo(record.rest()));
  }

  /** A publication that crossed our detach, as a rule. After an overflow the detach may have been dropped. */
  #unknown(edgeId: number, from: number): void {
    if (this.#mesh.link(from).counters.overflows === 0) return;
    const record = Buffer.allocUnsafe(5);
    record[0] = RecordKind.unknownEdge;
    record.writeUInt32LE(edgeId, 1);
    this.#mesh.send(from, record);
  }

  #ask(kind: number, channel: string, pending: Pending, write?: (out: ByteWriter) => void): void {
    const slot = this.#ownerOf(channel);
    const id = this.#calls.open(slot, pending);
    const out = this.#out.reset();
    out.u8(kind);
    out.u32le(id);
    out.string(channel);
    write?.(out);
    this.#calls.request(slot, id, out.record());
  }

  #ownerOf(channel: string): number {
    if (this.deps.owners === 1) return 0;
    return this.#byName.get(channel)?.owner ?? hash32(channel, this.deps.hashSeed) % this.deps.owners;
  }

  #channel(name: string): EdgeChannel {
    let channel = this.#byName.get(name);
    if (channel === undefined) {
      do this.#lastId = (this.#lastId + 1) >>> 0;
      while (this.#byId.has(this.#lastId));
      channel = new EdgeChannel(this.#lastId, name, this.#ownerOf(name), this.deps);
      this.#byName.set(name, channel);
      this.#byId.set(channel.id, channel);
    }
    return channel;
  }

  #forget(channel: EdgeChannel): void {
    this.#byName.delete(channel.name);
    this.#byId.delete(channel.id);
  }

  #forEachOwnedBy(slot: number, act: (channel: EdgeChannel) => void): void {
    for (const channel of [...this.#byId.values()]) if (channel.owner === slot) act(channel);
  }
}

function attachFlags(call: SubscribeCall): number {
  let flags = call.positioned || call.recover ? AttachFlag.position : 0;
  if (call.recover) flags |= AttachFlag.recover;
  if (call.recover?.mode === 'cache') flags |= AttachFlag.cache;
  if (call.filter) flags |= AttachFlag.filtered;
  if (call.rejectUnrecovered) flags |= AttachFlag.rejectUnrecovered;
  if (call.info?.presence) flags |= AttachFlag.presence;
  if (call.info?.joinLeave) flags |= AttachFlag.joinLeave;
  return flags;
}

function writeAnnounced(out: ByteWriter, announced: Announced): void {
  out.string(announced.client);
  out.string(announced.user);
  out.raw(announced.bytes);
}
