/**
 * What an application may do to a user's live connections. Every operation is a JSON value, because it travels to all
 * workers (mesh/asks.ts) and, in a cluster, to all nodes: payload bytes are base64 text.
 */
import type { Disconnect, Unsubscribe } from '../protocol/codes.js';
import type { StreamPosition } from '../protocol/messages.js';

/**
 * Which connections. `client` and `session` narrow within `user`, they never widen: '' for either means any, while
 * an empty `user` means anonymous connections only.
 */
export interface Target {
  readonly user: string;
  readonly client: string;
  readonly session: string;
  /** An empty `user` means everybody instead. Other nodes of a cluster may ask for it. */
  readonly allUsers?: boolean | undefined;
}

/** Subscribe on the server's side. */
export interface SubscribeOp extends Target {
  readonly channel: string;
  /** Channel info in presence, join and leave. Base64, '' for none. */
  readonly info: string;
  /** Sent along in the subscribe push. Base64, '' for none. */
  readonly data: string;
  /** Unix seconds, 0 for never. */
  readonly expireAt: number;
  readonly recoverSince?: StreamPosition | undefined;
  /** Options of the channel, with the request's overrides applied. */
  readonly presence: boolean;
  readonly joinLeave: boolean;
  readonly forcePushJoinLeave: boolean;
  readonly forceRecovery: boolean;
  readonly forcePositioning: boolean;
}

/** The push goes out even to connections without that subscription; an empty `channel` is such a one, not "all". */
export interface UnsubscribeOp extends Target {
  readonly channel: string;
  readonly unsubscribe: Unsubscribe;
}

export interface DisconnectOp extends Target {
  /** Client ids to spare. */
  readonly whitelist: readonly string[];
  readonly disconnect: Disconnect;
}

export interface RefreshOp extends Target {
  /** End the connection as expired. */
  readonly expired: boolean;
  /** Unix seconds; 0 makes the connection non-expiring, a past time ends it as expired. */
  readonly expireAt: number;
  /** New connection info, base64, honoured only together with a future `expireAt`; '' leaves it as it is. */
  readonly info: string;
}

/** Any of them, by name. */
export type ControlOp =
  | { readonly kind: 'subscribe'; readonly op: SubscribeOp }
  | { readonly kind: 'unsubscribe'; readonly op: UnsubscribeOp }
  | { readonly kind: 'disconnect'; readonly op: DisconnectOp }
  | { readonly kind: 'refresh'; readonly op: RefreshOp };
