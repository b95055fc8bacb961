/** What a subscription is granted: the namespace's options, changed by what a token or a proxy said about it. */
import type { Bytes } from '../protocol/messages.js';
import type { SubscriptionClaims } from './claims.js';
import type { ResolvedChannel } from './rules.js';

/** Why a subscription exists, as other nodes of a cluster and the admin UI number it. */
export const sources = {
  unknown: 0,
  connectionToken: 1,
  connectProxy: 2,
  subscriptionToken: 3,
  subscribeProxy: 4,
  userLimited: 5,
  clientAllowed: 6,
  clientInsecure: 7,
  uniConnect: 8,
  userPersonal: 9,
  serverApi: 10,
  streamProxy: 13,
} as const;

export type Source = (typeof sources)[keyof typeof sources];

/** Delta formats, tags filters and TTLs are not here: they are always the channel's own. */
export interface SubscribeGrant {
  readonly source: Source;
  /** Unix seconds; 0: does not expire. */
  readonly expireAt: number;
  /** The client renews an expiring subscription itself, by `sub_refresh`. */
  readonly clientSideRefresh: boolean;
  /** `chan_info`. */
  readonly info: Bytes | undefined;
  /** For the client, with the subscription. */
  readonly data: Bytes | undefined;
  /** Offset and epoch are told and kept in sync. Always where {@link recoverable}. */
  readonly positioned: boolean;
  readonly recoverable: boolean;
  readonly recoveryMode: 'stream' | 'cache';
  /** Recover the newest publication though the client did not ask for it. */
  readonly autoCacheRecover: boolean;
  /** Be seen in the channel's presence. */
  readonly emitPresence: boolean;
  /** Have joining and leaving announced to others. */
  readonly emitJoinLeave: boolean;
  /** Be told when others join and leave. */
  readonly pushJoinLeave: boolean;
}

/** What the client asked for and may have, on top of what its channel forces on everyone. */
export interface ExtraFlags {
  readonly positioned: boolean;
  readonly recoverable: boolean;
  readonly pushJoinLeave: boolean;
}

const NO_EXTRAS: ExtraFlags = { positioned: false, recoverable: false, pushJoinLeave: false };

/** A subscription that has been decided on elsewhere: server-side ones, and those a proxy allowed. */
export function grantSubscription(
  { options }: ResolvedChannel,
  source: Source,
  { info, data, override = {}, cacheRecover = false, expireAt = 0 }: SubscriptionClaims & { expireAt?: number } = {},
  extras: ExtraFlags = NO_EXTRAS,
): SubscribeGrant {
  const recoverable = (override.forceRecovery ?? options.force_recovery) || extras.recoverable;
  const positioned = (override.forcePositioning ?? options.force_positioning) || extras.positioned;
  const recoveryMode = options.force_recovery_mode === 'cache' ? 'cache' : 'stream';
  return {
    source,
    expireAt,
    clientSideRefresh: !options.sub_refresh_proxy_enabled,
    info,
    data,
    positioned: positioned || recoverable,
    recoverable,
    recoveryMode,
    autoCacheRecover: (options.auto_cache_recover || cacheRecover) && recoverable && recoveryMode === 'cache',
    emitPresence: override.presence ?? options.presence,
    emitJoinLeave: override.joinLeave ?? options.join_leave,
    pushJoinLeave: (override.forcePushJoinLeave ?? options.force_push_join_leave) || extras.pushJoinLeave,
  };
}

/** A subscription whose publications the application supplies: the channel's stream has nothing to do with them. */
export function grantStream(
  channel: ResolvedChannel,
  claims: SubscriptionClaims & { expireAt?: number } = {},
): SubscribeGrant {
  const { presence, joinLeave, forcePushJoinLeave } = claims.override ?? {};
  const override = { presence, joinLeave, forcePushJoinLeave, forcePositioning: false, forceRecovery: false };
  return grantSubscription(channel, sources.streamProxy, { ...claims, override });
}
