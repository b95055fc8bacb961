/**
 * Who may do what in a channel. Pure decisions, in the order in which Centrifugo makes them: the first rule that speaks
 * decides the code a client sees.
 *
 * A subscribe command reads:
 *
 *   if (rules.tooLong(name)) → 107
 *   const token = request.token && await verifier.verifySubscribe(request.token)      // or the TokenError it threw
 *   const decision = decideSubscribe(rules.resolve(name), caller, request, token)
 *   error → reply | disconnect → close | ask → the proxy, then grantSubscription(…, its result)
 *   grant → channels.subscribe(…)
 *
 * Throughout, `allow_…_for_anonymous` only extends `allow_…_for_client` and `allow_…_for_subscriber` to clients without
 * a user id, and `client.insecure` is the last resort that allows what nothing above forbade.
 */
import { acceptsData } from '../channels/data-format.js';
import { type ClientError, type Disconnect, disconnects, errors } from '../protocol/codes.js';
import type { Bytes } from '../protocol/messages.js';
import { type ExtraFlags, grantSubscription, type Source, type SubscribeGrant, sources } from './grant.js';
import type { ResolvedChannel } from './rules.js';
import { type SubscribeToken, TokenError } from './token.js';

export interface Caller {
  /** '' for an anonymous client. */
  readonly user: string;
  /** Connection id. */
  readonly client: string;
  /** `client.insecure`. */
  readonly insecure: boolean;
}

/** The part of a subscribe request that permissions depend on. */
export interface SubscribeAsk {
  /** 0 stream, 1 map, 2 map_clients, 3 map_users, 4 shared_poll. */
  readonly type: number;
  readonly positioned: boolean;
  readonly recoverable: boolean;
  readonly joinLeave: boolean;
}

export type SubscribeDecision =
  | { readonly error: ClientError }
  | { readonly disconnect: Disconnect }
  | { readonly ask: 'subscribe' | 'subscribe_stream' }
  | { readonly grant: SubscribeGrant };

export type PublishDecision =
  | { readonly error: ClientError }
  | { readonly ask: 'publish' | 'subscribe_stream' }
  | { readonly allowed: true };

const SUBSCRIPTION_TYPES = ['stream', 'map', 'map_clients', 'map_users', 'shared_poll'];

/**
 * @param channel  undefined: its namespace is not configured.
 * @param token  what the request's token verified to, or why it did not; undefined if it has none.
 */
export function decideSubscribe(
  channel: ResolvedChannel | undefined,
  caller: Caller,
  ask: SubscribeAsk,
  token: SubscribeToken | TokenError | undefined,
): SubscribeDecision {
  if (channel === undefined) return { error: errors.unknownChannel };
  const error = nameError(channel) ?? typeError(channel, ask.type);
  if (error !== undefined) return { error };
  if (token instanceof TokenError) {
    return { error: token.kind === 'expired' ? errors.tokenExpired : errors.permissionDenied };
  }
  if (token !== undefined) return decideByToken(channel, caller, ask, token);
  if (channel.private) return { error: errors.permissionDenied };
  if (channel.users === undefined) {
    if (channel.options.subscribe_proxy_enabled) return { ask: 'subscribe' };
    if (channel.options.subscribe_stream_proxy_enabled) return { ask: 'subscribe_stream' };
  }
  const source = sourceByName(channel, caller);
  if (source === undefined) return { error: errors.permissionDenied };
  return { grant: grantSubscription(channel, source, {}, grantedExtras(channel, caller, ask)) };
}

/** A valid token decides alone, but only for the connection and channel it was made for. */
function decideByToken(
  channel: ResolvedChannel,
  caller: Caller,
  ask: SubscribeAsk,
  token: SubscribeToken,
): SubscribeDecision {
  const fits =
    token.channel === channel.name &&
    token.user === caller.user &&
    (token.client === '' || token.client === caller.client);
  if (!fits) return { disconnect: disconnects.invalidToken };
  const extras = grantedExtras(channel, caller, ask);
  return { grant: grantSubscription(channel, sources.subscriptionToken, token, extras) };
}

/** Who may subscribe without being asked for: listed users, or everyone where the channel is not limited to users. */
function sourceByName({ options, users }: ResolvedChannel, { user, insecure }: Caller): Source | undefined {
  if (users?.includes(user)) return sources.userLimited;
  const open = options.allow_subscribe_for_client && (user !== '' || options.allow_subscribe_for_anonymous);
  if (open && users === undefined) return sources.clientAllowed;
  return insecure ? sources.clientInsecure : undefined;
}

/** Flags beyond those the channel forces: by option, or because the client could read as much by other commands. */
function grantedExtras(channel: ResolvedChannel, caller: Caller, ask: SubscribeAsk): ExtraFlags {
  const { options } = channel;
  // The client counts as a subscriber here: it is about to be one.
  const history = (): boolean => mayReadHistory(channel, caller, true);
  return {
    positioned: ask.positioned && (options.allow_positioning || history()),
    recoverable: ask.recoverable && (options.allow_recovery || history()),
    pushJoinLeave: ask.joinLeave && options.join_leave && mayReadPresence(channel, caller, true),
  };
}

/**
 * Whether a unidirectional client, which can only wish for channels as it connects, gets this one. A wish that is not
 * granted is passed over in silence. Unlike {@link decideSubscribe} it never asks a proxy, and no anonymous user is
 * ever "listed".
 */
export function maySubscribeOnConnect(channel: ResolvedChannel, caller: Caller): boolean {
  if (channel.private || channel.options.subscribe_proxy_enabled || !channel.validName) return false;
  const source = sourceByName(channel, caller);
  return source === sources.userLimited ? caller.user !== '' || caller.insecure : source !== undefined;
}

/** @param subscribed  the caller is subscribed to the channel. */
export function decidePublish(
  channel: ResolvedChannel | undefined,
  caller: Caller,
  subscribed: boolean,
  data: Bytes,
): PublishDecision {
  if (channel === undefined) return { error: errors.unknownChannel };
  const { options } = channel;
  const error = nameError(channel);
  if (error !== undefined) return { error };
  if (!acceptsData(options.publication_data_format, data)) return { error: errors.badRequest };
  if (options.publish_proxy_enabled) return { ask: 'publish' };
  if (options.subscribe_stream_proxy_enabled) {
    if (!options.subscribe_stream_proxy_bidirectional) return { error: errors.notAvailable };
    return { ask: 'subscribe_stream' };
  }
  const allowed = isAllowed(
    caller,
    subscribed,
    options.allow_publish_for_client,
    options.allow_publish_for_subscriber,
    options.allow_publish_for_anonymous,
  );
  return allowed ? { allowed: true } : { error: errors.permissionDenied };
}

/** For `presence` and `presence_stats`. @returns undefined if allowed. */
export function decidePresence(
  channel: ResolvedChannel | undefined,
  caller: Caller,
  subscribed: boolean,
): ClientError | undefined {
  if (channel === undefined) return errors.unknownChannel;
  const error = nameError(channel);
  if (error !== undefined) return error;
  if (!channel.options.presence) return errors.notAvailable;
  return mayReadPresence(channel, caller, subscribed) ? undefined : errors.permissionDenied;
}

/** @returns undefined if allowed. */
export function decideHistory(
  channel: ResolvedChannel | undefined,
  caller: Caller,
  subscribed: boolean,
): ClientError | undefined {
  if (channel === undefined) return errors.unknownChannel;
  const error = nameError(channel);
  if (error !== undefined) return error;
  if (channel.options.history_size <= 0 || channel.options.history_ttl <= 0) return errors.notAvailable;
  return mayReadHistory(channel, caller, subscribed) ? undefined : errors.permissionDenied;
}

function mayReadPresence({ options }: ResolvedChannel, caller: Caller, subscribed: boolean): boolean {
  return isAllowed(
    caller,
    subscribed,
    options.allow_presence_for_client,
    options.allow_presence_for_subscriber,
    options.allow_presence_for_anonymous,
  );
}

function mayReadHistory({ options }: ResolvedChannel, caller: Caller, subscribed: boolean): boolean {
  return isAllowed(
    caller,
    subscribed,
    options.allow_history_for_client,
    options.allow_history_for_subscriber,
    options.allow_history_for_anonymous,
  );
}

function isAllowed(
  { user, insecure }: Caller,
  subscribed: boolean,
  forClient: boolean,
  forSubscriber: boolean,
  forAnonymous: boolean,
): boolean {
  const permitted = forClient || (forSubscriber && subscribed);
  return (permitted && (user !== '' || forAnonymous)) || insecure;
}

function nameError(channel: ResolvedChannel): ClientError | undefined {
  return channel.validName ? undefined : errors.badRequest;
}

/** Shared poll channels are told apart first, and with codes of their own. */
function typeError({ options }: ResolvedChannel, type: number): ClientError | undefined {
  const configured = options.subscription_type || 'stream';
  const asked = SUBSCRIPTION_TYPES[type];
  if (asked === configured) return undefined;
  if (asked === 'shared_poll') return errors.notAvailable;
  return configured === 'shared_poll' ? errors.badRequest : errors.permissionDenied;
}
