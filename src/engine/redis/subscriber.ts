/**
 * The subscriptions of one server, on a connection of their own. Subscribing and unsubscribing is collected for a turn of
 * the event loop. When the connection is made again, what was subscribed is subscribed again, and said to be interrupted.
 */
import { ByteWriter } from '../../lib/bytes.js';
import { Fifo } from '../../lib/fifo.js';
import { RespError, RespReader, type RespValue } from '../../lib/resp.js';
import { writeArgument, writeCount } from '../../lib/resp-command.js';
import type { Flushable, Turn } from '../../lib/turn.js';
import { type ClientError, errors } from '../../protocol/codes.js';
import {
  Connection,
  type ConnectionDeps,
  type ConnectionOwner,
  type ConnectionUser,
  type Target,
} from './connection.js';
import { withoutArguments } from './dial.js';
import type { ServerOptions } from './options.js';
import type { ShardEvents } from './shard.js';

export interface SubscriberDeps extends ConnectionDeps {
  readonly turn: Pick<Turn, 'touch'>;
}

const CHANNELS_PER_COMMAND = 512;
/** So that a million channels are neither encoded at once nor keep the server from everybody else. */
const COMMANDS_UNDER_WAY = 16;

interface Waiter {
  resolve(): void;
  reject(error: ClientError): void;
}

class Subscription {
  isConfirmed = false;
  #waiters: Waiter[] = [];

  constructor(
    readonly channel: string,
    /** It was confirmed on an earlier connection. */
    public isResumed: boolean,
  ) {}

  confirmed(): Promise<void> {
    if (this.isConfirmed) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
  }

  confirm(): void {
    this.isConfirmed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
  }

  fail(): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(errors.internal);
  }
}

/** A SUBSCRIBE or UNSUBSCRIBE that the server has not answered in full: it says one thing for each channel. */
class Request {
  answers = 0;

  constructor(
    readonly channels: number,
    /** Of a SUBSCRIBE. */
    readonly subscriptions: readonly Subscription[] = [],
  ) {}
}

export class Subscriber implements ConnectionUser, Flushable {
  readonly connection: Connection;
  /** What shall be subscribed. An unsubscribe and another subscribe make it another object. */
  readonly #desired = new Map<string, Subscription>();
  readonly #toSubscribe = new Fifo<Subscription>();
  #toUnsubscribe: string[] = [];
  readonly #underWay = new Fifo<Request>();
  readonly #out = new ByteWriter();
  #touched = false;

  /** @param first  a channel that is subscribed before all others whenever the connection is made. */
  constructor(
    target: Target,
    server: ServerOptions,
    first: string,
    private readonly owner: ConnectionOwner & ShardEvents,
    private readonly deps: SubscriberDeps,
  ) {
    this.#desired.set(first, new Subscription(first, true));
    this.connection = new Connection('PUB/SUB', target, server, this, deps);
  }

  /**
   * Resolves when the server has confirmed. Rejects with 100 when it is away or refuses, or when the channel is
   * unsubscribed first. A channel that was confirmed before stays subscribed all the same.
   */
  subscribe(channel: string): Promise<void> {
    if (!this.connection.isUp) return Promise.reject(errors.internal);
    let subscription = this.#desired.get(channel);
    if (subscription === undefined) {
      subscription = new Subscription(channel, false);
      this.#desired.set(channel, subscription);
      this.#toSubscribe.push(subscription);
      this.#touch();
    }
    return subscription.confirmed();
  }

  unsubscribe(channel: string): void {
    const subscription = this.#desired.get(channel);
    if (subscription === undefined) return;
    this.#desired.delete(channel);
    subscription.fail();
    if (!this.connection.isUp) return;
    this.#toUnsubscribe.push(channel);
    this.#touch();
  }

  close(): void {
    this.connection.close();
    for (const subscription of this.#desired.values()) subscription.fail();
    this.#desired.clear();
  }

  /** The end of the turn. */
  flush(): void {
    this.#touched = false;
    if (!this.connection.isUp) return;
    // First, because a channel that is in both shall be subscribed in the end.
    for (let i = 0; i < this.#toUnsubscribe.length; i += CHANNELS_PER_COMMAND)
      this.#writeUnsubscribe(this.#toUnsubscribe.slice(i, i + CHANNELS_PER_COMMAND));
    this.#toUnsubscribe = [];
    while (this.#toSubscribe.length > 0 && this.#underWay.length < COMMANDS_UNDER_WAY)
      this.#writeSubscribe(this.#takeToSubscribe());
    this.#send();
  }

  createReader(): RespReader {
    return new RespReader(this, true);
  }

  up(): void {
    for (const subscription of this.#desired.values()) this.#toSubscribe.push(subscription);
    this.#touch();
    this.owner.connectedChanged();
  }

  down(): void {
    this.#toSubscribe.takeAll();
    this.#toUnsubscribe = [];
    this.#underWay.takeAll();
    for (const subscription of this.#desired.values()) this.#interrupt(subscription);
    this.owner.connectedChanged();
  }

  failed(error: Error): void {
    this.owner.failed(error);
  }

  message(channel: string, bytes: Buffer, start: number, end: number): void {
    this.owner.message(channel, bytes, start, end);
  }

  /** `[kind, channel, count]` for each channel of each command, in order. */
  reply(reply: RespValue | RespError): void {
    const request = this.#underWay.peek();
    if (request === undefined) {
      this.connection.drop('a reply that nobody asked for');
      return;
    }
    if (reply instanceof RespError) {
      this.#refused(reply.text);
      return;
    }
    const subscription = request.subscriptions[request.answers];
    if (++request.answers === request.channels) this.#underWay.shift();
    if (subscription !== undefined) this.#confirmed(subscription);
    if (this.#toSubscribe.length > 0) this.#touch();
  }

  #confirmed(subscription: Subscription): void {
    const { channel, isResumed } = subscription;
    subscription.isResumed = true;
    subscription.confirm();
    if (isResumed && this.#isDesired(subscription)) this.owner.interrupted(channel);
  }

  #interrupt(subscription: Subscription): void {
    subscription.isConfirmed = false;
    subscription.fail();
    if (!subscription.isResumed) this.#desired.delete(subscription.channel);
  }

  /** All of the oldest command. One channel may be to blame for it: they are tried one by one. */
  #refused(text: string): void {
    const { subscriptions } = this.#underWay.shift()!;
    const [first] = subscriptions;
    if (subscriptions.length > 1) {
      for (const subscription of subscriptions) this.#writeSubscribe([subscription]);
      this.#send();
    } else if (first?.isResumed && this.#isDesired(first)) {
      // It must not be left out in silence.
      this.connection.drop(`SUBSCRIBE refused: ${withoutArguments(text)}`);
    } else if (first !== undefined) {
      first.fail();
      if (this.#isDesired(first)) this.#desired.delete(first.channel);
    }
    this.owner.refused(text, false);
  }

  #takeToSubscribe(): Subscription[] {
    const taken: Subscription[] = [];
    while (taken.length < CHANNELS_PER_COMMAND && this.#toSubscribe.length > 0) {
      const subscription = this.#toSubscribe.shift()!;
      if (this.#isDesired(subscription)) taken.push(subscription);
    }
    return taken;
  }

  #isDesired(subscription: Subscription): boolean {
    return this.#desired.get(subscription.channel) === subscription;
  }

  #writeSubscribe(subscriptions: readonly Subscription[]): void {
    if (subscriptions.length === 0) return;
    writeCount(this.#out, 1 + subscriptions.length);
    writeArgument(this.#out, 'SUBSCRIBE');
    for (const { channel } of subscriptions) writeArgument(this.#out, channel);
    this.#underWay.push(new Request(subscriptions.length, subscriptions));
  }

  #writeUnsubscribe(channels: readonly string[]): void {
    writeCount(this.#out, 1 + channels.length);
    writeArgument(this.#out, 'UNSUBSCRIBE');
    for (const channel of channels) writeArgument(this.#out, channel);
    this.#underWay.push(new Request(channels.length));
  }

  #send(): void {
    if (this.#out.length > 0) this.connection.write(this.#out.copy());
    this.#out.reset();
  }

  #touch(): void {
    if (this.#touched) return;
    this.#touched = true;
    this.deps.turn.touch(this);
  }
}
