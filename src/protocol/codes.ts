/**
 * Every code a client, a subscription or an API caller can be told, as tables.
 * Numbers and texts are Centrifugo's, because SDKs and backends branch on them.
 */

/** A reply `error`. `temporary` tells the SDK to try the same command again. */
export interface ClientError {
  readonly code: number;
  readonly message: string;
  readonly temporary: boolean;
}

/** Why a connection is closed. SDKs reconnect on 3000–3499, 4000–4499 and ≥ 5000, and give up otherwise. */
export interface Disconnect {
  readonly code: number;
  readonly reason: string;
}

/** Why a subscription ended. SDKs resubscribe on codes ≥ 2500. */
export interface Unsubscribe {
  readonly code: number;
  readonly reason: string;
}

const error = (code: number, message: string, temporary = false): ClientError =>
  Object.freeze({ code, message, temporary });
const disconnect = (code: number, reason: string): Disconnect => Object.freeze({ code, reason });
const unsubscribe = (code: number, reason: string): Unsubscribe => Object.freeze({ code, reason });

export const errors = {
  internal: error(100, 'internal server error', true),
  unauthorized: error(101, 'unauthorized'),
  unknownChannel: error(102, 'unknown channel'),
  permissionDenied: error(103, 'permission denied'),
  methodNotFound: error(104, 'method not found'),
  alreadySubscribed: error(105, 'already subscribed'),
  limitExceeded: error(106, 'limit exceeded'),
  badRequest: error(107, 'bad request'),
  notAvailable: error(108, 'not available'),
  tokenExpired: error(109, 'token expired'),
  expired: error(110, 'expired'),
  tooManyRequests: error(111, 'too many requests', true),
  unrecoverablePosition: error(112, 'unrecoverable position'),
  concurrentPagination: error(113, 'concurrent pagination', true),
} as const;

export const disconnects = {
  connectionClosed: disconnect(3000, 'connection closed'),
  shutdown: disconnect(3001, 'shutdown'),
  serverError: disconnect(3004, 'internal server error'),
  expired: disconnect(3005, 'connection expired'),
  subscriptionExpired: disconnect(3006, 'subscription expired'),
  slow: disconnect(3008, 'slow'),
  writeError: disconnect(3009, 'write error'),
  insufficientState: disconnect(3010, 'insufficient state'),
  forceReconnect: disconnect(3011, 'force reconnect'),
  noPong: disconnect(3012, 'no pong'),
  tooManyRequests: disconnect(3013, 'too many requests'),
  stateInvalidated: disconnect(3014, 'state invalidated'),
  invalidToken: disconnect(3500, 'invalid token'),
  badRequest: disconnect(3501, 'bad request'),
  stale: disconnect(3502, 'stale'),
  forceNoReconnect: disconnect(3503, 'force disconnect'),
  connectionLimit: disconnect(3504, 'connection limit'),
  channelLimit: disconnect(3505, 'channel limit'),
  inappropriateProtocol: disconnect(3506, 'inappropriate protocol'),
  permissionDenied: disconnect(3507, 'permission denied'),
  notAvailable: disconnect(3508, 'not available'),
  tooManyErrors: disconnect(3509, 'too many errors'),
} as const;

export const unsubscribes = {
  client: unsubscribe(0, 'client unsubscribed'),
  server: unsubscribe(2000, 'server unsubscribe'),
  insufficientState: unsubscribe(2500, 'insufficient state'),
  expired: unsubscribe(2501, 'subscription expired'),
  stateInvalidated: unsubscribe(2502, 'state invalidated'),
} as const;
