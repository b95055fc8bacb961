import { createHmac, type KeyObject, sign } from 'node:crypto';
import type { TokenOptions } from '../../src/auth/token.js';
import { defaultConfig } from '../../src/config/config.js';

export const SECRET = 'a secret of the tests';

const base64url = (text: string): string => Buffer.from(text).toString('base64url');

/** A token of these claims (an object, or JSON text where its exact spelling counts), signed by `signer`. */
export function makeToken(header: object, claims: object | string, signer: (signed: string) => Buffer): string {
  const payload = typeof claims === 'string' ? claims : JSON.stringify(claims);
  const signed = `${base64url(JSON.stringify({ typ: 'JWT', ...header }))}.${base64url(payload)}`;
  return `${signed}.${signer(signed).toString('base64url')}`;
}

export const hmac =
  (secret: string | Buffer = SECRET, bits = 256) =>
  (signed: string): Buffer =>
    createHmac(`sha${bits}`, secret).update(signed).digest();

export const rsa =
  (key: KeyObject, bits = 256) =>
  (signed: string): Buffer =>
    sign(`sha${bits}`, Buffer.from(signed), key);

export const ecdsa =
  (key: KeyObject, bits = 256) =>
  (signed: string): Buffer =>
    sign(`sha${bits}`, Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });

export const eddsa =
  (key: KeyObject) =>
  (signed: string): Buffer =>
    sign(null, Buffer.from(signed), key);

export const hmacToken = (claims: object | string, secret = SECRET): string =>
  makeToken({ alg: 'HS256' }, claims, hmac(secret));

export const tokenOptions = (options: Partial<TokenOptions> = {}): TokenOptions => ({
  ...defaultConfig().client.token,
  ...options,
});
