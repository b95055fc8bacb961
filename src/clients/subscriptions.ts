import type { Subscription } from './subscription.js';

/** Up to here a scan of the list is as fast as a Map and ten times smaller. */
const SCANNED_MAX = 16;

const NONE: readonly Subscription[] = Object.freeze([]);

/** The subscriptions of one connection by channel. Most have a few: those cost one small array. */
export class Subscriptions {
  private list: Subscription[] | typeof NONE = NONE;
  private byChannel: Map<string, Subscription> | null = null;

  get size(): number {
    return this.list.length;
  }

  get(channel: string): Subscription | undefined {
    if (this.byChannel !== null) return this.byChannel.get(channel);
    for (const subscription of this.list) if (subscription.channel === channel) return subscription;
    return undefined;
  }

  add(subscription: Subscription): void {
    if (this.list === NONE) this.list = [subscription];
    else (this.list as Subscription[]).push(subscription);
    if (this.byChannel !== null) this.byChannel.set(subscription.channel, subscription);
    else if (this.list.length > SCANNED_MAX) this.byChannel = new Map(this.list.map((each) => [each.channel, each]));
  }

  /** @returns false if it was not there. */
  delete(subscription: Subscription): boolean {
    const at = this.list.indexOf(subscription);
    if (at < 0) return false;
    const list = this.list as Subscription[];
    list[at] = list[list.length - 1]!;
    list.pop();
    this.byChannel?.delete(subscription.channel);
    return true;
  }

  /** A copy: may be changed while it is walked. */
  all(): Subscription[] {
    return this.list.slice();
  }
}
