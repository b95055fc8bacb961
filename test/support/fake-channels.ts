/**
 * Channels in one place and at once: enough of the data path to test what stands on it. Publications are stored where
 * a channel was given history, delivered in order to live members, and shown in presence.
 */
import type { Channels, Done, Member, PublishCall, SubscribeAck, SubscribeCall } from '../../src/channels/channels.js';
import type { HistoryFilter, PresenceStats, PublishResult } from '../../src/engine/engine.js';
import { decodeClientInfo } from '../../src/protocol/client-info.js';
import { InappropriatePayload } from '../../src/protocol/codec.js';
import { type ClientError, errors } from '../../src/protocol/codes.js';
import { decodeEntry } from '../../src/protocol/entry.js';
import type { Bytes, ClientInfo, HistoryResult, Publication, StreamPosition } from '../../src/protocol/messages.js';

interface Live {
  readonly member: Member;
  readonly call: SubscribeCall;
}

class Channel implements StreamPosition {
  offset = 0;
  epoch = 'fake';
  readonly stored: Publication[] = [];
  readonly live: Live[] = [];
  readonly presence = new Map<string, ClientInfo>();
}

export class FakeChannels implements Channels {
  /** Channels that keep history. */
  readonly withHistory = new Set<string>();
  /** Subscribes wait for {@link release} while true. */
  holding = false;
  /** The next call of a kind fails with this. */
  failNext: ClientError | undefined;
  /** Presence renewals, as `channel client chanInfo`. */
  readonly renewed: string[] = [];
  readonly published: { channel: string; publication: Publication; call: PublishCall }[] = [];
  readonly calls: SubscribeCall[] = [];
  readonly #channels = new Map<string, Channel>();
  readonly #held: { member: Member; run(): void }[] = [];

  publish(channel: string, entry: Bytes, call: PublishCall, done: Done<PublishResult>): void {
    if (this.#failed(done)) return;
    const at = this.channel(channel);
    const publication = { ...decodeEntry(Buffer.from(entry)), offset: 0 };
    if (this.withHistory.has(channel)) {
      publication.offset = ++at.offset;
      at.stored.push(publication);
    }
    this.published.push({ channel, publication, call });
    for (const { member, call: own } of [...at.live]) deliver(member, own, channel, publication);
    done(null, { offset: at.offset, epoch: at.epoch });
  }

  history(channel: string, filter: HistoryFilter, done: Done<HistoryResult>): void {
    if (this.#failed(done)) return;
    const { stored, offset, epoch } = this.channel(channel);
    const { since, reverse, limit } = filter;
    let publications = reverse ? stored.toReversed() : [...stored];
    if (since !== undefined) {
      publications = publications.filter((each) => (reverse ? each.offset < since.offset : each.offset > since.offset));
    }
    done(null, { publications: limit < 0 ? publications : publications.slice(0, limit), offset, epoch });
  }

  removeHistory(channel: string, done: Done<void>): void {
    this.channel(channel).stored.length = 0;
    done(null, undefined);
  }

  presence(channel: string, done: Done<Record<string, ClientInfo>>): void {
    if (this.#failed(done)) return;
    done(null, Object.fromEntries(this.channel(channel).presence));
  }

  presenceStats(channel: string, done: Done<PresenceStats>): void {
    if (this.#failed(done)) return;
    const infos = [...this.channel(channel).presence.values()];
    done(null, { numClients: infos.length, numUsers: new Set(infos.map((info) => info.user)).size });
  }

  subscribe(member: Member, call: SubscribeCall, done: Done<SubscribeAck>): void {
    this.calls.push(call);
    if (this.holding) this.#held.push({ member, run: () => this.#subscribe(member, call, done) });
    else this.#subscribe(member, call, done);
  }

  unsubscribe(member: Member): void {
    const held = this.#held.findIndex((each) => each.member === member);
    if (held >= 0) this.#held.splice(held, 1);
    const at = this.channel(member.channel);
    const live = at.live.findIndex((each) => each.member === member);
    if (live < 0) return;
    const [{ call }] = at.live.splice(live, 1) as [Live];
    if (call.info === undefined) return;
    at.presence.delete(call.info.client);
    if (call.info.joinLeave) this.#announce(at, member.channel, { leave: { info: decodeClientInfo(call.info.bytes) } });
  }

  renewPresence(member: Member, info: Bytes): void {
    const decoded = decodeClientInfo(info);
    this.channel(member.channel).presence.set(decoded.client, decoded);
    this.renewed.push(`${member.channel} ${decoded.client} ${Buffer.from(decoded.chanInfo ?? []).toString()}`);
  }

  *localChannels(): Iterable<[name: string, members: number]> {
    for (const [name, { live }] of this.#channels) if (live.length > 0) yield [name, live.length];
  }

  // ---- For tests ----

  channel(name: string): Channel {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = new Channel();
      this.#channels.set(name, channel);
    }
    return channel;
  }

  /** Let the subscribes go on that waited. */
  release(): void {
    this.holding = false;
    for (const { run } of this.#held.splice(0)) run();
  }

  get heldCount(): number {
    return this.#held.length;
  }

  members(name: string): Member[] {
    return this.channel(name).live.map(({ member }) => member);
  }

  #subscribe(member: Member, call: SubscribeCall, done: Done<SubscribeAck>): void {
    if (this.#failed(done)) return;
    const at = this.channel(member.channel);
    const { recovered, publications } = recover(at, call);
    if (call.recover !== undefined && !recovered && call.rejectUnrecovered) {
      done(errors.unrecoverablePosition, undefined);
      return;
    }
    at.live.push({ member, call });
    done(null, { offset: at.offset, epoch: at.epoch, recovered, publications });
    if (call.info === undefined) return;
    const info = decodeClientInfo(call.info.bytes);
    if (call.info.presence) at.presence.set(info.client, info);
    if (call.info.joinLeave) this.#announce(at, member.channel, { join: { info } });
  }

  #announce(
    at: Channel,
    channel: string,
    what: { join: { info: ClientInfo } } | { leave: { info: ClientInfo } },
  ): void {
    for (const { member, call } of at.live) {
      const { codec, unidirectional } = member.subscriber;
      if (call.joinLeave) member.subscriber.write(codec.encodePush({ channel, ...what }, unidirectional));
    }
  }

  #failed(done: Done<never>): boolean {
    const error = this.failNext;
    if (error === undefined) return false;
    this.failNext = undefined;
    done(error, undefined);
    return true;
  }
}

function recover(at: Channel, call: SubscribeCall): { recovered: boolean; publications: Publication[] } {
  const nothing = { recovered: false, publications: [] };
  if (call.recover === undefined) return nothing;
  const { since, mode } = call.recover;
  if (mode === 'cache') return at.stored.length > 0 ? { recovered: true, publications: at.stored.slice(-1) } : nothing;
  const missed = at.stored.filter(({ offset }) => offset > since.offset);
  const whole = missed.length === at.offset - since.offset && (since.epoch === '' || since.epoch === at.epoch);
  return whole ? { recovered: true, publications: missed } : nothing;
}

function deliver({ subscriber }: Member, call: SubscribeCall, channel: string, publication: Publication): void {
  if (call.filter !== undefined && !call.filter.matches(publication.tags)) return;
  const { codec, unidirectional } = subscriber;
  try {
    const head = codec.publicationHead(channel, unidirectional);
    subscriber.write(codec.encodePublication(head, publication, unidirectional, call.delta && codec.name === 'json'));
  } catch (error) {
    if (!(error instanceof InappropriatePayload)) throw error;
    subscriber.inappropriate();
  }
}
