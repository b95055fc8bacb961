/**
 * PUB/SUB in a Cluster. A publication reaches the subscribers of every server, over the bus between them; we subscribe at
 * the master of the channel's slot, where it is published, so that it does not matter whether the bus works.
 *
 *   home ────► messages are delivered from here, and from nowhere else: no duplicates where there are no offsets
 *   next ────► when the slot has another master: subscribed there first, then that is home, the channel `interrupted`,
 *              since the two servers may have been apart, and unsubscribed at the old one
 */
import { errors } from '../../protocol/codes.js';
import type { ClusterServer } from './cluster-server.js';
import type { ShardEvents } from './shard.js';
import { keySlot } from './slots.js';

/** Moved at a time, out of however many a lost master had. */
const MOVED_TOGETHER = 4096;
/** After a server that subscriptions are to move to did not take them. */
const RETRY_MS = 250;

class Subscription {
  readonly slot: number;
  next: ClusterServer | undefined;
  /** While it is not confirmed. */
  confirmed: Promise<void> | undefined;

  constructor(
    readonly channel: string,
    public home: ClusterServer,
  ) {
    this.slot = keySlot(channel);
  }
}

export class ClusterSubscriptions {
  readonly #byChannel = new Map<string, Subscription>();
  #isMoving = false;
  #mustLookAgain = false;
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(
    private readonly ownerOf: (slot: number) => ClusterServer | undefined,
    private readonly events: ShardEvents,
  ) {}

  subscribe(channel: string): Promise<void> {
    const known = this.#byChannel.get(channel);
    if (known !== undefined) return known.confirmed ?? known.home.link.subscribe(channel);
    const home = this.ownerOf(keySlot(channel));
    if (home === undefined) return Promise.reject(errors.internal);
    const subscription = new Subscription(channel, home);
    this.#byChannel.set(channel, subscription);
    home.use();
    subscription.confirmed = this.#confirm(subscription);
    return subscription.confirmed;
  }

  unsubscribe(channel: string): void {
    const subscription = this.#byChannel.get(channel);
    if (subscription === undefined) return;
    this.#byChannel.delete(channel);
    leave(subscription.home, channel);
    if (subscription.next !== undefined) leave(subscription.next, channel);
  }

  message(server: ClusterServer, channel: string, bytes: Buffer, start: number, end: number): void {
    if (this.#byChannel.get(channel)?.home === server) this.events.message(channel, bytes, start, end);
  }

  interrupted(server: ClusterServer, channel: string): void {
    if (this.#byChannel.get(channel)?.home === server) this.events.interrupted(channel);
  }

  /** Slots may have other owners: bring every subscription to where it belongs. */
  follow(): void {
    this.#mustLookAgain = true;
    if (!this.#isMoving) void this.#moveAll();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#byChannel.clear();
  }

  async #confirm(subscription: Subscription): Promise<void> {
    const { channel, home } = subscription;
    try {
      await home.link.subscribe(channel);
    } catch (error) {
      if (this.#isCurrent(subscription)) {
        this.#byChannel.delete(channel);
        home.release();
      }
      throw error;
    }
    subscription.confirmed = undefined;
    if (this.#belongsTo(subscription) !== undefined) this.follow();
  }

  async #moveAll(): Promise<void> {
    this.#isMoving = true;
    clearTimeout(this.#retry);
    let allMoved = true;
    while (this.#mustLookAgain) {
      this.#mustLookAgain = false;
      const misplaced = [...this.#byChannel.values()].filter((one) => this.#belongsTo(one) !== undefined);
      for (let i = 0; i < misplaced.length && !this.#isClosed; i += MOVED_TOGETHER) {
        const moves = misplaced.slice(i, i + MOVED_TOGETHER).map((one) => this.#move(one));
        allMoved = (await Promise.all(moves)).every(Boolean) && allMoved;
      }
    }
    this.#isMoving = false;
    if (!allMoved && !this.#isClosed) this.#retry = setTimeout(() => this.follow(), RETRY_MS);
  }

  /** Answers whether it is where it belongs, or gone. */
  async #move(subscription: Subscription): Promise<boolean> {
    const { channel, home } = subscription;
    const next = this.#belongsTo(subscription);
    if (next === undefined || !this.#isCurrent(subscription)) return true;
    subscription.next = next;
    next.use();
    const isConfirmed = await next.link.subscribe(channel).then(
      () => true,
      () => false,
    );
    // Unsubscribed meanwhile, from both, and perhaps subscribed anew.
    if (!this.#isCurrent(subscription)) return true;
    subscription.next = undefined;
    if (!isConfirmed) {
      next.release();
      return false;
    }
    subscription.home = next;
    leave(home, channel);
    this.events.interrupted(channel);
    return true;
  }

  /** The server that it is to move to. Where nobody has the slot, it stays; one that is on its way is left alone. */
  #belongsTo({ slot, home, confirmed, next }: Subscription): ClusterServer | undefined {
    if (confirmed !== undefined || next !== undefined) return undefined;
    const owner = this.ownerOf(slot);
    return owner === home ? undefined : owner;
  }

  #isCurrent(subscription: Subscription): boolean {
    return this.#byChannel.get(subscription.channel) === subscription;
  }
}

function leave(server: ClusterServer, channel: string): void {
  server.link.unsubscribe(channel);
  server.release();
}
