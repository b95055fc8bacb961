/** What is different about connections that only hear: no replies to refuse a connect with, and no pongs. */
import { type Disconnect, disconnects, errors } from '../protocol/codes.js';
import type { Client, Refusal } from './client.js';

export interface UnidirectionalConfig {
  readonly connect_code_to_unidirectional_disconnect: {
    readonly enabled: boolean;
    readonly transforms: readonly { readonly code: number; readonly to: Disconnect }[];
  };
}

const byErrorCode: ReadonlyMap<number, Disconnect> = new Map([
  [errors.expired.code, disconnects.expired],
  [errors.tokenExpired.code, disconnects.expired],
  [errors.tooManyRequests.code, disconnects.tooManyRequests],
  [errors.permissionDenied.code, disconnects.permissionDenied],
]);

/** How a connect fails that would be answered with `why` (centrifuge `extractUnidirectionalDisconnect`). */
export function unidirectionalDisconnect(why: Refusal, config: UnidirectionalConfig): Disconnect {
  if ('reason' in why) return why;
  const { enabled, transforms } = config.connect_code_to_unidirectional_disconnect;
  const configured = enabled ? transforms.findLast(({ code }) => code === why.code) : undefined;
  return configured?.to ?? byErrorCode.get(why.code) ?? disconnects.serverError;
}

export interface Pings {
  /** 0: none. */
  readonly intervalMs: number;
  /** 0: an answer is not waited for. */
  readonly pongTimeoutMs: number;
  /** A message of the protocol. */
  readonly message: boolean;
  /** A ping frame of WebSocket. */
  readonly frame: boolean;
}

const FRAME_PING_INTERVAL_MS = 25_000;
const FRAME_PONG_TIMEOUT_MS = 10_000;

/**
 * How a connection is pinged. Who only hears does not answer messages; over WebSocket it is asked for pong frames, whether
 * or not pings are configured.
 */
export function pingsFor({ transport, unidirectional, framePingPong, deps }: Client): Pings {
  const { ping_interval, pong_timeout } = deps.config.client;
  const intervalMs = Math.max(0, ping_interval);
  if (transport === 'uni_websocket') {
    return {
      intervalMs: intervalMs || FRAME_PING_INTERVAL_MS,
      pongTimeoutMs: pong_timeout > 0 ? pong_timeout : FRAME_PONG_TIMEOUT_MS,
      message: intervalMs > 0,
      frame: true,
    };
  }
  const pongTimeoutMs = unidirectional ? 0 : Math.max(0, pong_timeout);
  return { intervalMs, pongTimeoutMs, message: !framePingPong, frame: framePingPong };
}
