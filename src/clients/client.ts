/**
 * One connection.
 *
 *   fresh ──connect──▶ connecting ──▶ connected ──▶ closing ──▶ closed
 *                          └─ refused (an error reply): only good for dying stale
 *
 * There may be hundreds of thousands of these: a fixed shape, no closure and no timer a connection, and nothing kept of
 * the upgrade request once connected, but for headers that a proxy passes on later.
 */
import { randomUUID } from 'node:crypto';
import type { Subscriber } from '../channels/channels.js';
import { copied } from '../lib/bytes.js';
import { type Codec, InappropriatePayload } from '../protocol/codec.js';
import { type ClientError, type Disconnect, disconnects, type Unsubscribe } from '../protocol/codes.js';
import type { Bytes, ClientInfo, ConnectRequest, ConnectResult, Push, Reply } from '../protocol/messages.js';
import { type ClientHeaders, NO_HEADERS } from '../proxy/headers.js';
import type { ClientDeps } from './deps.js';
import { newSession } from './emulation.js';
import { Inbox } from './inbox.js';
import { Keepalive } from './keepalive.js';
import { Outbox, type OutboxOwner } from './outbox.js';
import type { Peer, Session, Socket, Transport } from './socket.js';
import type { Subscription } from './subscription.js';
import { Subscriptions } from './subscriptions.js';
import { unidirectionalDisconnect } from './unidirectional.js';

export type ClientState = 'fresh' | 'connecting' | 'connected' | 'refused' | 'closing' | 'closed';

/** Why a command was not carried out: an error reply, or the end of the connection. */
export type Refusal = ClientError | Disconnect;

export function isDisconnect(refusal: Refusal): refusal is Disconnect {
  return 'reason' in refusal;
}

export class Client implements Session, Subscriber, OutboxOwner {
  readonly id = randomUUID();
  /** By which its commands find it, where they come by other requests (see emulation.ts); '' for WebSocket. */
  readonly session: string;
  readonly unidirectional: boolean;
  state: ClientState = 'fresh';
  user = '';
  connInfo: Bytes | undefined = undefined;
  /** Unix seconds, 0 for never. */
  expireAt = 0;
  readonly framePingPong: boolean;
  readonly subscriptions = new Subscriptions();
  readonly keepalive: Keepalive;
  /** Maintained by the registry. */
  nextOfUser: Client | null = null;
  previousOfUser: Client | null = null;
  readonly transport: Transport;
  /** Dropped with the connect. */
  peer: Peer | null;
  /** What is passed on to the application; for most configurations that is nothing. */
  headers: ClientHeaders = NO_HEADERS;
  /** JSON from the token or the application, to be passed on to the application; kept only where that is configured. */
  meta: Bytes | undefined = undefined;

  private readonly outbox: Outbox;
  private readonly inbox: Inbox;

  constructor(
    readonly deps: ClientDeps,
    readonly socket: Socket,
    readonly codec: Codec,
    peer: Peer,
  ) {
    this.peer = peer;
    this.transport = peer.transport;
    this.framePingPong = peer.framePingPong;
    this.unidirectional = peer.transport.startsWith('uni_');
    this.session = sessionFor(peer.transport, deps.slot);
    this.outbox = new Outbox(this, deps.turn, deps.config.client.queue_max_size);
    this.inbox = new Inbox(this);
    this.keepalive = new Keepalive(this);
  }

  /** Nothing is to be started or said any more. */
  get ending(): boolean {
    return this.state === 'closing' || this.state === 'closed';
  }

  // ---- Session: what the transport says ----

  receive(frame: Bytes): void {
    if (this.ending) return;
    if (this.codec.isPong(frame)) this.pong();
    else this.inbox.receive(frame);
  }

  connect(request: ConnectRequest): void {
    if (!this.ending) this.inbox.execute({ id: 1, connect: request });
  }

  drained(): void {
    this.keepalive.drained();
    this.outbox.drained();
  }

  ponged(): void {
    this.keepalive.ponged();
  }

  closed(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.leave();
    this.outbox.shut();
    this.keepalive.stop();
  }

  // ---- Subscriber: what channels say ----

  write(frame: Bytes): void {
    this.outbox.write(frame);
  }

  /** With more subscriptions, another channel may have something as well. */
  ready(): boolean {
    return this.subscriptions.size === 1 && this.outbox.idle && this.socket.alive;
  }

  send(frame: Bytes): void {
    this.outbox.writeNow(frame);
  }

  inappropriate(): void {
    this.outbox.seal(disconnects.inappropriateProtocol);
  }

  // ---- OutboxOwner ----

  outboxFailed(why: Disconnect): void {
    // After a dropped write even a close frame may be lost.
    if (why === disconnects.writeError) this.abandon(why);
    else this.disconnect(why);
  }

  outboxBlocked(): void {
    this.keepalive.blocked();
  }

  // ---- Answers: each command ends with exactly one of these ----

  reply(reply: Reply): void {
    const message = this.encode(() => this.codec.encodeReply(reply));
    if (message !== undefined) this.outbox.writeBorrowed(message);
    this.done();
  }

  refuse(id: number, why: Refusal): void {
    if (isDisconnect(why)) {
      this.disconnect(why);
      this.done();
    } else {
      this.reply({ id, error: why });
    }
  }

  /** No other command is started before those at work are over. */
  suspend(): void {
    this.inbox.suspend();
  }

  /** The command is over without a reply of its own. */
  done(): void {
    this.inbox.done();
  }

  // ---- Pushes ----

  push(push: Push): void {
    const message = this.encode(() => this.codec.encodePush(push, this.unidirectional));
    if (message !== undefined) this.outbox.write(message);
  }

  // ---- Connect ----

  /** Publications of server-side subscriptions wait for the connect reply. */
  holdPushes(): void {
    this.outbox.hold();
  }

  /** The connect is through: the client is told so before what was held. */
  connected(id: number, connect: ConnectResult): void {
    this.state = 'connected';
    this.peer = null;
    const message = this.encode(() =>
      this.unidirectional ? this.codec.encodePush({ connect }, true) : this.codec.encodeReply({ id, connect }),
    );
    if (message !== undefined) {
      this.outbox.release(copied(message));
      this.keepalive.connected();
    }
    this.done();
  }

  /** The connect failed. After an error reply nothing but the end of the connection can follow. */
  refuseConnect(id: number, why: Refusal): void {
    this.outbox.discardHeld();
    this.leave();
    if (this.unidirectional) {
      this.disconnect(unidirectionalDisconnect(why, this.deps.config.client), why);
      this.done();
      return;
    }
    if (!this.ending) this.state = 'refused';
    this.refuse(id, why);
  }

  /** {@link ClientInfo} as it is shown for a channel. */
  info(channel: string): ClientInfo {
    return {
      user: this.user,
      client: this.id,
      connInfo: this.connInfo,
      chanInfo: this.subscriptions.get(channel)?.chanInfo,
    };
  }

  /** A live subscription, not one in the making. */
  isSubscribed(channel: string): boolean {
    return this.subscriptions.get(channel)?.state === 'live';
  }

  /** End a subscription; with `why`, tell the client. */
  unsubscribe(subscription: Subscription, why?: Unsubscribe): void {
    if (!this.forget(subscription)) return;
    if (why !== undefined) {
      this.push({ channel: subscription.channel, unsubscribe: { code: why.code, reason: why.reason } });
    }
    subscription.settle();
  }

  /** Take a subscription out of the client and of its channel. @returns false if that was done before. */
  forget(subscription: Subscription): boolean {
    if (!this.subscriptions.delete(subscription)) return false;
    if (subscription.state === 'live') this.deps.registry.subscriptions--;
    subscription.state = 'gone';
    this.deps.channels.unsubscribe(subscription);
    subscription.stream?.close();
    return true;
  }

  pong(): void {
    // A pong that nobody asked for, or of somebody who is not connected.
    if (this.state !== 'connected' || !this.keepalive.pong()) this.disconnect(disconnects.badRequest);
  }

  // ---- The end ----

  /**
   * Close with a code. What was written before still goes out, unless the client is too slow for it.
   *
   * @param refusal  see {@link Socket.end}
   */
  disconnect(why: Disconnect, refusal?: Refusal): void {
    if (this.ending) return;
    this.deps.log.debug({ client: this.id, user: this.user, code: why.code, reason: why.reason }, 'disconnect');
    this.state = 'closing';
    this.leave();
    if (why !== disconnects.slow) this.outbox.flush();
    this.outbox.shut();
    this.keepalive.closing();
    this.socket.end(why.code, why.reason, refusal);
  }

  /** Close without a close frame. */
  abandon(why: Disconnect): void {
    if (this.state === 'closed') return;
    this.deps.log.debug({ client: this.id, user: this.user, code: why.code, reason: why.reason }, 'abandoned');
    this.state = 'closing';
    this.leave();
    this.outbox.shut();
    this.keepalive.closing();
    this.socket.destroy();
  }

  /** Leave nothing behind in channels and registry. */
  private leave(): void {
    this.inbox.clear();
    for (const subscription of this.subscriptions.all()) this.unsubscribe(subscription);
    this.deps.registry.remove(this);
    this.deps.homes.leave(this);
  }

  private encode(encode: () => Bytes): Bytes | undefined {
    if (this.ending) return undefined;
    try {
      return encode();
    } catch (error) {
      if (!(error instanceof InappropriatePayload)) throw error;
      this.disconnect(disconnects.inappropriateProtocol);
      return undefined;
    }
  }
}

/** Unidirectional clients have one too, to be named by the server's API, but no command finds it. */
function sessionFor(transport: Transport, slot: number): string {
  if (transport === 'websocket') return '';
  return transport === 'sse' || transport === 'http_stream' ? newSession(slot) : randomUUID();
}
