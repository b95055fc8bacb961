/**
 * Subscriptions that a connection starts with: from its token or the application, the user's personal channel, and asked
 * for by name.
 */
import type { SubscriptionClaims } from '../auth/claims.js';
import { grantSubscription, type Source, type SubscribeGrant, sources } from '../auth/grant.js';
import { maySubscribeOnConnect } from '../auth/permissions.js';
import type { ResolvedChannel } from '../auth/rules.js';
import type { Client, Refusal } from '../clients/client.js';
import { type Allowed, NOTHING_WANTED, startSubscription, type Wanted } from '../clients/subscribing.js';
import { Subscription } from '../clients/subscription.js';
import { disconnects, errors } from '../protocol/codes.js';
import type { Bytes, SubscribeRequest, SubscribeResult } from '../protocol/messages.js';
import { type CommandDeps, callerOf } from './deps.js';

export interface Credentials {
  /** Where they come from: a header names a user, and nothing else comes with it. */
  readonly by: 'token' | 'application' | 'header' | 'nothing';
  readonly user: string;
  /** Unix seconds, 0 for never. */
  readonly expireAt: number;
  readonly info?: Bytes | undefined;
  /** For the client, in the connect reply. */
  readonly data?: Bytes | undefined;
  readonly meta?: Bytes | undefined;
  readonly subs?: ReadonlyMap<string, SubscriptionClaims> | undefined;
}

export type Granted = ReadonlyMap<string, { grant: SubscribeGrant; allowed: Allowed }>;

const NONE: Granted = new Map();

/** @param names  channels that the client wishes for: those it may not have are passed over. */
export function serverSubscriptions(
  client: Client,
  who: Credentials,
  names: readonly string[],
  { access, config }: CommandDeps,
): Granted | Refusal {
  const personal = config.client.subscribe_to_user_personal_channel;
  if ((who.subs?.size ?? 0) === 0 && names.length === 0 && !personal.enabled) return NONE;
  const granted = new Map<string, { grant: SubscribeGrant; allowed: Allowed }>();
  const add = (channel: ResolvedChannel, source: Source, claims?: SubscriptionClaims): void => {
    granted.set(channel.name, { grant: grantSubscription(channel, source, claims), allowed: channel.options });
  };
  if (who.by === 'header') return granted;
  const source = who.by === 'application' ? sources.connectProxy : sources.connectionToken;
  for (const [name, claims] of who.subs ?? []) {
    if (name === '') continue;
    const channel = access.rules.resolve(name);
    if (channel === undefined) return errors.unknownChannel;
    add(channel, source, claims);
  }
  if (personal.enabled && who.user !== '') {
    const name = access.rules.personalChannel(who.user, personal.personal_channel_namespace);
    const channel = access.rules.resolve(name);
    if (channel === undefined) return errors.unknownChannel;
    add(channel, sources.userPersonal);
  }
  // Where the application is asked who it is, it says what they get as well.
  for (const name of who.by === 'application' ? [] : names) {
    const channel = access.rules.resolve(name);
    if (channel === undefined) return disconnects.badRequest;
    if (name === '' || granted.has(name) || !maySubscribeOnConnect(channel, callerOf(client, config))) continue;
    add(channel, sources.uniConnect);
  }
  const limit = config.client.channel_limit;
  return limit > 0 && granted.size > limit ? disconnects.channelLimit : granted;
}

/**
 * Make all of them (at least one) live, or none: `done` is called once, with the first refusal or with every result. Not called when
 * the connection ends meanwhile.
 */
export function subscribeAll(
  client: Client,
  granted: Granted,
  requests: Readonly<Record<string, SubscribeRequest>> | undefined,
  done: (refusal: Refusal | null, results: Record<string, SubscribeResult> | undefined) => void,
): void {
  const results: Record<string, SubscribeResult> = Object.create(null);
  let waiting = granted.size;
  let over = false;
  for (const [name, { grant, allowed }] of granted) {
    const subscription = new Subscription(client, name, true);
    client.subscriptions.add(subscription);
    startSubscription(subscription, grant, wantedBy(requests?.[name]), allowed, (refusal, result) => {
      if (over) return;
      over = refusal !== null || --waiting === 0;
      if (result !== undefined) results[name] = result;
      if (refusal !== null) done(refusal, undefined);
      else if (over) done(null, results);
    });
    if (over) return;
  }
}

/** Of a client's state, what counts for a subscription that the server makes. */
function wantedBy(request: SubscribeRequest | undefined): Wanted {
  if (request === undefined) return NOTHING_WANTED;
  const { recover, offset, epoch, delta } = request;
  return { ...NOTHING_WANTED, recover, offset, epoch, delta };
}
