/**
 * Everything about a connection that happens at a time: pings and their pongs, presence renewal, expiry, and the closing
 * of stale, stuck and half-closed connections. One entry in the worker's timer wheel a connection, set to the earliest.
 */
import { NEVER, TimerEntry } from '../lib/timer-wheel.js';
import { type Disconnect, disconnects } from '../protocol/codes.js';
import type { Client } from './client.js';
import type { Subscription } from './subscription.js';
import { pingsFor } from './unidirectional.js';

/** How long a peer has to answer a close frame. */
const CLOSE_WAIT_MS = 5_000;

/** Instead of a `write_timeout` of 0. */
const DEFAULT_WRITE_TIMEOUT_MS = 1_000;

/** Pings of a thread that leave together, where there are so many: their pongs come together, too, and wake it once. */
const PINGS_TOGETHER = 64;
/** By this part of the interval, at most, a first ping comes early for that. */
const PING_STEPS_MIN = 32;

export class Keepalive extends TimerEntry {
  /** Ticks of the wheel, all of them. */
  private pingAt = NEVER;
  private pongBy = NEVER;
  private presenceAt = NEVER;
  private expireBy = NEVER;
  private subscriptionsExpireBy = NEVER;
  private drainBy = NEVER;
  /** Before the connect is through: stale. After the close frame: the peer does not answer it. */
  private closeBy = NEVER;
  /** What the wheel is set to. */
  private armed = NEVER;
  private awaitingPong = false;

  constructor(private readonly client: Client) {
    super();
    const { stale_close_delay } = client.deps.config.client;
    if (stale_close_delay > 0) this.closeBy = this.in(stale_close_delay);
    this.arm();
  }

  /** The connect is through. */
  connected(): void {
    this.closeBy = NEVER;
    const { intervalMs } = pingsFor(this.client);
    if (intervalMs > 0) this.pingAt = this.together(this.spread(intervalMs), intervalMs);
    this.connectionExpiry();
    this.arm();
  }

  /** `client.expireAt` has changed. */
  connectionExpiry(): void {
    const { config, renewals } = this.client.deps;
    // The delay is for clients that renew their connection themselves, a little late.
    const delayMs = renewals.connection === undefined ? config.client.expired_close_delay : 0;
    this.expireBy = this.deadline(this.client.expireAt, delayMs);
    this.arm();
  }

  /** A subscription is live, or its expiry has changed. */
  subscribed(subscription: Subscription): void {
    const { config } = this.client.deps;
    if (subscription.presence && this.presenceAt === NEVER) {
      this.presenceAt = this.in(this.spread(config.client.presence_update_interval));
    }
    const expires = this.deadline(subscription.expireAt, config.client.expired_sub_close_delay);
    this.subscriptionsExpireBy = Math.min(this.subscriptionsExpireBy, expires);
    this.arm();
  }

  /** @returns false if no ping is outstanding. */
  pong(): boolean {
    if (!this.awaitingPong || this.client.framePingPong) return false;
    this.ponged();
    return true;
  }

  /** A native pong. Unlike a protocol pong it may come unasked. */
  ponged(): void {
    this.awaitingPong = false;
    if (this.pongBy === NEVER) return;
    this.pongBy = NEVER;
    // Moved now, while all of it is in the cache, rather than when the deadline comes that nobody needs any more.
    this.armed = NEVER;
    this.arm();
  }

  blocked(): void {
    const { transport, deps } = this.client;
    const { write_timeout } = transport === 'uni_websocket' ? deps.config.uni_websocket : deps.config.websocket;
    this.drainBy = this.in(write_timeout || DEFAULT_WRITE_TIMEOUT_MS);
    this.arm();
  }

  drained(): void {
    this.drainBy = NEVER;
  }

  /** The close frame is on its way: all that is left to wait for is the peer's. */
  closing(): void {
    this.cancelAll();
    this.closeBy = this.in(CLOSE_WAIT_MS);
    this.arm();
  }

  stop(): void {
    this.cancelAll();
    this.armed = NEVER;
    this.client.deps.wheel.cancel(this);
  }

  /** The wheel's call. It may come early, when a deadline was moved away. */
  override expire(): void {
    this.armed = NEVER;
    this.run(this.client.deps.wheel.tick);
    this.arm();
  }

  private run(now: number): void {
    const { client } = this;
    const why = this.overdue(now);
    if (client.state === 'closing') {
      this.closeBy = NEVER;
      client.socket.destroy();
    } else if (why !== undefined) {
      if (why === disconnects.writeError) client.abandon(why);
      else client.disconnect(why);
    } else {
      if (now >= this.expireBy) this.renewConnection();
      if (now >= this.subscriptionsExpireBy) this.expireSubscriptions(now);
      if (client.ending) return;
      if (now >= this.presenceAt) this.renewPresence();
      if (now >= this.pingAt) this.ping();
    }
  }

  /** What the client has let pass. */
  private overdue(now: number): Disconnect | undefined {
    if (now >= this.closeBy) return disconnects.stale;
    if (now >= this.drainBy) return disconnects.writeError;
    if (now >= this.pongBy) return disconnects.noPong;
    const renewed = this.client.deps.renewals.connection !== undefined;
    return now >= this.expireBy && !renewed ? disconnects.expired : undefined;
  }

  private ping(): void {
    const { client } = this;
    const { intervalMs, pongTimeoutMs, message, frame } = pingsFor(client);
    if (frame) client.socket.ping();
    if (message) client.write(client.codec.ping);
    this.awaitingPong = true;
    this.pingAt = this.together(intervalMs, intervalMs);
    if (pongTimeoutMs > 0) this.pongBy = this.in(pongTimeoutMs);
  }

  private renewConnection(): void {
    this.expireBy = NEVER;
    this.client.deps.renewals.connection?.(this.client);
  }

  private renewPresence(): void {
    const { client } = this;
    this.presenceAt = NEVER;
    for (const subscription of client.subscriptions.all()) {
      if (!subscription.presence || subscription.state !== 'live') continue;
      subscription.renewPresence();
      this.presenceAt = this.in(client.deps.config.client.presence_update_interval);
    }
  }

  private expireSubscriptions(now: number): void {
    const { client } = this;
    this.subscriptionsExpireBy = NEVER;
    for (const subscription of client.subscriptions.all()) {
      const expires = this.deadline(subscription.expireAt, client.deps.config.client.expired_sub_close_delay);
      if (now >= expires) this.expireSubscription(subscription);
      else this.subscriptionsExpireBy = Math.min(this.subscriptionsExpireBy, expires);
    }
  }

  private expireSubscription(subscription: Subscription): void {
    if (subscription.renewing) return;
    const renewed = !subscription.clientSideRefresh && this.client.deps.renewals.subscription(subscription);
    if (!renewed) subscription.expired();
  }

  /** Between half of `intervalMs` and all of it: connections that came together do not stay together. */
  private spread(intervalMs: number): number {
    return Math.floor((intervalMs / 2) * (1 + this.client.deps.random()));
  }

  /**
   * The latest time until `inMs` from now at which others are due as well. The ping interval has 32 such times, or twice or four times
   * as many and so on: so however many connections come and go, each keeps its time, an interval after the other.
   */
  private together(inMs: number, intervalMs: number): number {
    const { registry, wheel, clock } = this.client.deps;
    let steps = PING_STEPS_MIN;
    while (registry.clients > steps * PINGS_TOGETHER) steps *= 2;
    const stepMs = intervalMs / steps;
    return wheel.tickAt(Math.floor((clock.now() + inMs) / stepMs) * stepMs);
  }

  private in(ms: number): number {
    const { wheel, clock } = this.client.deps;
    return wheel.tickAt(clock.now() + ms);
  }

  /** @param expireAt  Unix seconds, 0 for never. */
  private deadline(expireAt: number, delayMs: number): number {
    return expireAt > 0 ? this.client.deps.wheel.tickAt(expireAt * 1000 + delayMs) : NEVER;
  }

  private arm(): void {
    const at = Math.min(
      this.pingAt,
      this.pongBy,
      this.presenceAt,
      this.expireBy,
      this.subscriptionsExpireBy,
      this.drainBy,
      this.closeBy,
    );
    if (at >= this.armed) return;
    this.armed = at;
    this.client.deps.wheel.scheduleTick(this, at);
  }

  private cancelAll(): void {
    this.pingAt = NEVER;
    this.pongBy = NEVER;
    this.presenceAt = NEVER;
    this.expireBy = NEVER;
    this.subscriptionsExpireBy = NEVER;
    this.drainBy = NEVER;
    this.closeBy = NEVER;
  }
}
