import { createHmac } from 'node:crypto';
import type { TokenConfig } from '../config/config.js';
import { formatDuration } from '../config/duration.js';

export interface TokenRequest {
  user: string;
  channel?: string | undefined;
  /** Seconds; not positive means that the token does not expire. */
  ttl: number;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/**
 * Signs a token with HS256.
 *
 * @param at where `options` are in the configuration, for the message.
 * @throws Error without an HMAC key.
 */
export function signToken(options: TokenConfig, at: string, { user, channel, ttl }: TokenRequest): string {
  if (options.hmac_secret_key === '') {
    throw new Error(
      `${at}.hmac_secret_key is not set. It is what tokens are signed with here; for RSA, ECDSA and JWKS sign them ` +
        'with your own tools, or write a configuration with a key by: gyre genconfig',
    );
  }
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    ...(user === '' ? {} : { sub: user }),
    ...(ttl > 0 ? { exp: now + ttl } : {}),
    iat: now,
    ...(channel === undefined ? {} : { channel }),
    ...(options.user_id_claim === '' ? {} : { [options.user_id_claim]: user }),
  };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', options.hmac_secret_key).update(signed).digest('base64url')}`;
}

/** `user "42", channel "chat", expires in 168h`. */
export function describeToken({ user, channel, ttl }: TokenRequest): string {
  const parts = [user === '' ? 'anonymous user' : `user "${user}"`];
  if (channel !== undefined) parts.push(`channel "${channel}"`);
  parts.push(ttl > 0 ? `expires in ${formatDuration(ttl * 1000)}` : 'does not expire');
  return parts.join(', ');
}
