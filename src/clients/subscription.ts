import type { SubscribeGrant } from '../auth/grant.js';
import { Member } from '../channels/channels.js';
import { encodeClientInfo } from '../protocol/client-info.js';
import { type Disconnect, disconnects, type Unsubscribe, unsubscribes } from '../protocol/codes.js';
import type { Bytes } from '../protocol/messages.js';
import type { SubscribeStream } from '../proxy/subscribe-stream.js';
import type { Client } from './client.js';

/** One subscription of one connection, from the request on. */
export class Subscription extends Member {
  declare readonly subscriber: Client;
  state: 'subscribing' | 'live' | 'gone' = 'subscribing';
  source = 0;
  /** Unix seconds, 0 for never. */
  expireAt = 0;
  chanInfo: Bytes | undefined = undefined;
  presence = false;
  /** The client is to refresh it with `sub_refresh`. */
  clientSideRefresh = false;
  /** It has expired, and the application has been asked whether it may stay. */
  renewing = false;
  /** Where the application supplies the publications. Ends with the subscription. */
  stream: Pick<SubscribeStream, 'publish' | 'close'> | undefined = undefined;
  /** Runs when `subscribing` ends. Unsubscribes wait here for the subscribe that they overtook. */
  private settled: (() => void)[] | null = null;

  constructor(
    client: Client,
    channel: string,
    readonly serverSide: boolean,
  ) {
    super(client, channel);
  }

  /** Take over what was decided. */
  accept(grant: SubscribeGrant): void {
    this.source = grant.source;
    this.expireAt = grant.expireAt;
    this.chanInfo = grant.info;
    this.presence = grant.emitPresence;
    this.clientSideRefresh = grant.clientSideRefresh && !this.serverSide;
  }

  /** How presence, join and leave show it. */
  infoBytes(): Bytes {
    const { user, id, connInfo } = this.subscriber;
    return encodeClientInfo({ user, client: id, connInfo, chanInfo: this.chanInfo });
  }

  renewPresence(): void {
    this.subscriber.deps.channels.renewPresence(this, this.infoBytes());
  }

  insufficientState(): void {
    this.end(unsubscribes.insufficientState, disconnects.insufficientState);
  }

  expired(): void {
    this.end(unsubscribes.expired, disconnects.subscriptionExpired);
  }

  /** Run `then` as soon as the subscribe in flight is over, now if none is. */
  whenSettled(then: () => void): void {
    if (this.state !== 'subscribing') then();
    else if (this.settled === null) this.settled = [then];
    else this.settled.push(then);
  }

  /** The subscribe in flight is over and answered. */
  settle(): void {
    const settled = this.settled;
    this.settled = null;
    for (const then of settled ?? []) then();
  }

  private end(unsubscribe: Unsubscribe, disconnect: Disconnect): void {
    if (this.serverSide) this.subscriber.disconnect(disconnect);
    else this.subscriber.unsubscribe(this, unsubscribe);
  }
}
