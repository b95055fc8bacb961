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
  FeedState,
  History,
  HistoryFilter,
  PresenceManager,
} from '../engine/engine.js';
import type { ByteReader } from '../lib/bytes.js';
import { PassingMap } from '../lib/passing-map.js';
import { Sweep } from '../lib/sweep.js';
import { channelNames } from '../lib/text-cache.js';
import type { Calls, Ticket } from '../mesh/calls.js';
import type { Mesh } from '../mesh/mesh.js';
import { RecordKind } from '../mesh/records.js';
import { type ClientError, errors } from '../protocol/codes.js';
import { entryOffset } from '../protocol/entry.js';
import type { Bytes, StreamPosition } from '../protocol/messages.js';
import { Answering } from './answering.js';
import { type Announcement, Attaching, type AttachingHost, readAnnouncement, readAttach } from './attaching.js';
import { Follower, type FollowerHost } from './follower.js';
import { LastSeen, type LastSeenHost } from './last-seen.js';
import { Outlet } from './outlet.js';
import { OwnedChannel } from './owned-channel.js';
import { AttachFlag, DetachFlag } from './records.js';
import { POSITION_ONLY } from './recovery.js';
import { answerRequests } from './requests.js';
import { type HistoryOptions, Streams } from './streams.js';

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
/** How often a part of the channels has its position checked. */
export const POSITION_CHECK_STEP_MS = 1000;
const nothing = (): void => {};

export class Owner implements BrokerSink, AttachingHost, FollowerHost, LastSeenHost {
  readonly recoveryMaxPublications: number;
  readonly later: (ms: number, run: () => void) => void;
  readonly #channels = new PassingMap<string, OwnedChannel>();
  readonly #check: Sweep<string, OwnedChannel>;
  readonly #broker: Broker;
  readonly #streams: Streams;
  readonly #presence: PresenceManager;
  readonly #answering: Answering;
  readonly #outlet: Outlet;
  readonly #lastSeen: LastSeen | undefined;

  constructor(private readonly deps: OwnerDeps) {
    const { mesh, calls, presence, later, log } = deps;
    this.later = later;
    this.recoveryMaxPublications = deps.recoveryMaxPublications;
    const checks = Math.ceil(deps.positionCheckMs / POSITION_CHECK_STEP_MS);
    this.#check = new Sweep(this.#channels, ({ follower }) => follower?.check(), checks, 1);
    this.#presence = presence;
    this.#outlet = new Outlet(mesh);
    this.#answering = new Answering(calls, log);
    const broker = deps.broker(this);
    this.#broker = broker;
    this.#streams = new Streams({ broker, options: deps.history, later, log });
    if (deps.lingerMs > 0) this.#lastSeen = new LastSeen(this);
    answerRequests({
      mesh,
      answering: this.#answering,
      broker,
      presence,
      streams: this.#streams,
      lastSeen: this.#lastSeen,
    });
    mesh.on(
      RecordKind.attach,
      this.#answering.handler((record, ticket) => this.#attach(record, ticket)),
    );
    mesh.on(RecordKind.detach, (record, from) => this.#detach(record, from));
    mesh.on(RecordKind.renew, (record) => this.#renew(record));
    mesh.on(RecordKind.unknownEdge, (record, from) => this.#forgetEdge(from, record.u32le()));
    mesh.onReplaced((slot) => this.#forgetSlot(slot));
  }

  get counters(): { readonly lostPublications: number } {
    return this.#outlet.counters;
  }

  /** Compare a part of the streams that stand still with the broker. Call it every {@link POSITION_CHECK_STEP_MS}. */
  checkPositions(): void {
    if (this.deps.positionCheckMs > 0) this.#check.run(0);
  }

  /** Compare streams that nobody follows with what was seen of them. Call it every {@link LAST_SEEN_STEP_MS}. */
  checkLastSeen(): void {
    this.#lastSeen?.step();
  }

  // ---- LastSeenHost ----

  feed(channel: string): FeedState {
    return this.#broker.feed(channel);
  }

  position(channel: string, done: (position: StreamPosition) => void): void {
    this.#answering.when(this.#streams.read(channel, POSITION_ONLY), done, nothing);
  }

  reset(channel: string, epoch: string): void {
    this.#streams.reset(channel, epoch);
  }

  // ---- BrokerSink ----

  publication(name: string, entry: Bytes, epoch: string): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    if (channel.follower !== undefined && entryOffset(entry) > 0) channel.follower.publication(entry, epoch);
    else this.#outlet.publication(channel, entry);
  }

  join(name: string, info: Bytes): void {
    const channel = this.#channels.get(name);
    if (channel !== undefined) this.#outlet.announce(RecordKind.join, channel, info);
  }

  leave(name: string, info: Bytes): void {
    const channel = this.#channels.get(name);
    if (channel !== undefined) this.#outlet.announce(RecordKind.leave, channel, info);
  }

  interrupted(channel: string): void {
    this.#channels.get(channel)?.follower?.interrupted();
  }

  // ---- FollowerHost ----

  deliver(channel: OwnedChannel, entry: Bytes): void {
    this.#outlet.publication(channel, entry);
  }

  lose(channel: OwnedChannel): void {
    this.#outlet.lost(channel);
  }

  read(
    channel: OwnedChannel,
    filter: HistoryFilter,
    done: (history: History) => void,
    failed: (error: ClientError) => void,
  ): void {
    this.#answering.when(this.#streams.read(channel.name, filter), done, failed);
  }

  resetEpoch(channel: OwnedChannel, epoch: string): void {
    this.reset(channel.name, epoch);
  }

  // ---- AttachingHost ----

  whenSubscribed(attaching: Attaching): void {
    const { name, subscribing } = attaching.channel;
    // Also once subscribed: what a settling stream shows may be about to get another epoch.
    const subscribed = (): void =>
      this.feed(name) === 'up' ? attaching.subscribed() : attaching.fail(errors.internal);
    if (subscribing === undefined) subscribed();
    else this.#answering.when(subscribing, subscribed, (error) => attaching.fail(error));
  }

  follower(channel: OwnedChannel): Follower | undefined {
    if (channel.follower === undefined && this.deps.history(channel.name).size > 0)
      channel.follower = new Follower(this, channel);
    return channel.follower;
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

  // ---- coming and going ----

  #attach(record: ByteReader, ticket: Ticket): void {
    const request = readAttach(record);
    const channel = this.#own(request.name);
    const attaching = new Attaching(this, channel, ticket, request);
    channel.expect(attaching);
    attaching.start();
  }

  #detach(record: ByteReader, from: number): void {
    const edgeId = record.u32le();
    const name = record.cachedString(channelNames);
    const flags = record.u8();
    const announced = (flags & (DetachFlag.presence | DetachFlag.joinLeave)) !== 0;
    const who = announced ? readAnnouncement(record) : undefined;
    const channel = this.#channels.get(name);
    // Whoever leaves before its attach was answered was not announced yet.
    const waiting = who && channel?.attaching.find((it) => it.ticket.slot === from && it.who?.client === who.client);
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
    this.#answering.when(done, nothing, nothing);
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
      const settled = channel.follower?.settled !== false && this.feed(channel.name) === 'up';
      if (settled) this.#forget(channel);
      else this.#linger(channel);
    });
  }

  #forget(channel: OwnedChannel): void {
    if (this.#channels.get(channel.name) !== channel) return;
    this.#channels.delete(channel.name);
    const position = channel.follower?.position;
    if (position !== undefined && position.offset > 0)
      this.#lastSeen?.note(channel.name, position.offset, position.epoch);
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
