/**
 * From a decision to a live subscription: the same for client-side, connect-time and API subscriptions.
 */
import type { SubscribeGrant } from '../auth/grant.js';
import type { SubscribeAck, SubscribeCall } from '../channels/channels.js';
import { compileFilter, FilterError, type TagsFilter } from '../channels/filter.js';
import { errors } from '../protocol/codes.js';
import type { FilterNode, Publications, SubscribeResult } from '../protocol/messages.js';
import type { Refusal } from './client.js';
import type { Subscription } from './subscription.js';

/** Bit of `SubscribeRequest.flag`: fail with 112 rather than answer `recovered: false`. */
const REJECT_UNRECOVERED = 2;

/** What the subscriber asks for beyond the channel; a part of SubscribeRequest. */
export interface Wanted {
  readonly recover: boolean;
  readonly offset: number;
  readonly epoch: string;
  readonly delta: string;
  readonly flag: number;
  readonly tf?: FilterNode | undefined;
}

export const NOTHING_WANTED: Wanted = Object.freeze({ recover: false, offset: 0, epoch: '', delta: '', flag: 0 });

/** The channel's options that a wish depends on. */
export interface Allowed {
  readonly allowed_delta_types: readonly string[];
  readonly allow_tags_filter: boolean;
}

/** `result` is defined exactly when `refusal` is null. */
export type Subscribed = (refusal: Refusal | null, result: SubscribeResult | undefined) => void;

/**
 * Make `subscription`, already listed in its client, live.
 *
 * `done` is called once, unless the subscription is ended meanwhile: then never. What it writes goes out before the
 * first publication. After a refusal the subscription is gone.
 */
export function startSubscription(
  subscription: Subscription,
  grant: SubscribeGrant,
  wanted: Wanted,
  allowed: Allowed,
  done: Subscribed,
): void {
  const { subscriber: client } = subscription;
  const { channels, registry, clock } = client.deps;
  const refused = (why: Refusal): void => {
    client.forget(subscription);
    done(why, undefined);
    subscription.settle();
  };
  const filter = wanted.tf === undefined ? undefined : allowedFilter(wanted.tf, allowed);
  const ttl = secondsLeft(grant.expireAt, clock.now());
  if (grant.expireAt > 0 && ttl <= 0) {
    refused(errors.expired);
  } else if (filter === null) {
    refused(errors.badRequest);
  } else {
    subscription.accept(grant);
    const delta = wanted.delta !== '' && allowed.allowed_delta_types.includes(wanted.delta);
    const call = subscribeCall(subscription, grant, wanted, delta, filter);
    channels.subscribe(subscription, call, (error, ack) => {
      if (error !== null) {
        // Also when the broker of just this channel is away: the others of the connection are untouched.
        refused(error);
        return;
      }
      registry.subscriptions++;
      subscription.state = 'live';
      client.keepalive.subscribed(subscription);
      done(null, subscribeResult(subscription, grant, wanted, call, ack!, ttl));
      subscription.settle();
    });
  }
}

/** @returns null for a filter that is malformed or not allowed here. */
function allowedFilter(node: FilterNode, allowed: Allowed): TagsFilter | null {
  if (!allowed.allow_tags_filter) return null;
  try {
    return compileFilter(node);
  } catch (error) {
    if (error instanceof FilterError) return null;
    throw error;
  }
}

function subscribeCall(
  subscription: Subscription,
  grant: SubscribeGrant,
  wanted: Wanted,
  delta: boolean,
  filter: TagsFilter | undefined,
): SubscribeCall {
  const { subscriber: client } = subscription;
  const announced = grant.emitPresence || grant.emitJoinLeave;
  return {
    positioned: grant.positioned,
    joinLeave: grant.pushJoinLeave,
    delta,
    filter,
    recover: recovers(grant, wanted)
      ? { since: { offset: wanted.offset, epoch: wanted.epoch }, mode: grant.recoveryMode }
      : undefined,
    rejectUnrecovered: grant.recoveryMode === 'stream' && (wanted.flag & REJECT_UNRECOVERED) !== 0,
    info: announced
      ? {
          user: client.user,
          client: client.id,
          bytes: subscription.infoBytes(),
          presence: grant.emitPresence,
          joinLeave: grant.emitJoinLeave,
        }
      : undefined,
  };
}

/** The newest publication may be forced on a subscriber that did not ask; a stream needs a position to start from. */
function recovers(grant: SubscribeGrant, wanted: Wanted): boolean {
  return grant.autoCacheRecover || (grant.recoverable && wanted.recover);
}

function subscribeResult(
  subscription: Subscription,
  grant: SubscribeGrant,
  wanted: Wanted,
  call: SubscribeCall,
  ack: SubscribeAck,
  ttl: number,
): SubscribeResult {
  const { positioned, delta } = call;
  const { recovered } = ack;
  const expires = subscription.clientSideRefresh && grant.expireAt > 0;
  // What has nothing to say is there too: one shape for all. It is left out when the result is written.
  return {
    expires,
    ttl: expires ? ttl : 0,
    recoverable: positioned && grant.recoverable,
    epoch: positioned ? ack.epoch : '',
    publications: recovered ? ack.publications : NO_PUBLICATIONS,
    recovered,
    // The SDK counts on from where it was, by the publications that follow.
    offset: !positioned ? 0 : recovered ? wanted.offset : ack.offset,
    positioned,
    data: grant.data,
    wasRecovering: wanted.recover || recovers(grant, wanted),
    delta,
    dataAsString: delta && subscription.subscriber.codec.name === 'json',
  };
}

const NO_PUBLICATIONS: Publications = Object.freeze([]);

/** Tokens and replies with a longer life are taken for a mistake. */
export const TTL_MAX_SECONDS = 365 * 24 * 3600;

/** @param expireAt  Unix seconds, 0 for never. */
export function secondsLeft(expireAt: number, nowMs: number): number {
  return expireAt - Math.floor(nowMs / 1000);
}

/** @returns Unix seconds, at most {@link TTL_MAX_SECONDS} from now; 0 for never. */
export function cappedExpiry(expireAt: number, nowMs: number): number {
  return Math.min(expireAt, Math.floor(nowMs / 1000) + TTL_MAX_SECONDS);
}
