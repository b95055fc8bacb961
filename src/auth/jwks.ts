/**
 * Signature checks with the keys of a JSON Web Key Set (RFC 7517), fetched when a token names a key not seen before.
 *
 * Keys are cached one by one, by URL and `kid`: with a templated URL two issuers may use the same `kid`, and one must
 * never vouch for the other. A key that is in use stays; one that is not is forgotten after an hour.
 */
import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { BoundedCache } from '../lib/bounded-cache.js';
import type { Clock } from '../lib/clock.js';
import type { RegexGroups } from './claim-rules.js';
import { JwksTemplate, type TemplateOptions } from './jwks-template.js';
import { type Jwt, TokenError } from './jwt.js';
import { verifyWithPublicKey } from './keys.js';

export interface JwksOptions {
  /** For one attempt, answer read to its end. */
  attemptTimeoutMs?: number;
  attempts?: number;
}

const KEY_TTL_MS = 3_600_000;
const CACHE_HALF_KEYS = 512;
const MAX_SET_BYTES = 1 << 20;

interface SetKey {
  readonly kid: string;
  /** '' where the set leaves the choice to the token. */
  readonly alg: string;
  readonly key: KeyObject;
}

interface CachedKey extends SetKey {
  expiresAt: number;
}

export class Jwks {
  readonly #template: JwksTemplate;
  readonly #clock: Clock;
  readonly #attempts: number;
  readonly #attemptTimeoutMs: number;
  readonly #cache = new BoundedCache<string, CachedKey>(CACHE_HALF_KEYS);
  /** One request per URL at a time, however many tokens wait for it. */
  readonly #fetches = new Map<string, Promise<SetKey[]>>();

  /** @throws Error naming the option. */
  constructor(options: TemplateOptions, clock: Clock, { attemptTimeoutMs = 1000, attempts = 2 }: JwksOptions = {}) {
    this.#template = new JwksTemplate(options);
    this.#clock = clock;
    this.#attempts = attempts;
    this.#attemptTimeoutMs = attemptTimeoutMs;
  }

  /** At once for a cached key. @throws TokenError (or rejects with it) if there is no such key. */
  verify(jwt: Jwt, groups: RegexGroups): boolean | Promise<boolean> {
    if (jwt.kid === '') throw new TokenError('invalid', 'token does not name its key (kid)');
    const url = this.#template.resolve(groups);
    if (url === undefined) throw new TokenError('invalid', 'token selects no valid JWKS URL');
    const cached = this.#cached(url, jwt.kid);
    if (cached !== undefined) return verifyWithSetKey(jwt, cached);
    return this.#fetchOnce(url).then((keys) => {
      const key = keys.find(({ kid }) => kid === jwt.kid);
      if (key === undefined) throw new TokenError('invalid', 'key of the token is not in the JWKS');
      return verifyWithSetKey(jwt, key);
    });
  }

  #cached(url: string, kid: string): SetKey | undefined {
    const cached = this.#cache.get(cacheKey(url, kid));
    const now = this.#clock.now();
    if (cached === undefined || cached.expiresAt <= now) return undefined;
    cached.expiresAt = now + KEY_TTL_MS;
    return cached;
  }

  #fetchOnce(url: string): Promise<SetKey[]> {
    const running = this.#fetches.get(url);
    if (running !== undefined) return running;
    const fetching = this.#fetch(url).finally(() => this.#fetches.delete(url));
    this.#fetches.set(url, fetching);
    return fetching;
  }

  async #fetch(url: string): Promise<SetKey[]> {
    const keys = readSet(await this.#download(url));
    const expiresAt = this.#clock.now() + KEY_TTL_MS;
    for (const key of keys) this.#cache.set(cacheKey(url, key.kid), { ...key, expiresAt });
    return keys;
  }

  async #download(url: string): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await download(url, this.#attemptTimeoutMs);
      } catch {
        // The cause may quote the URL, which the token took part in writing.
        if (attempt >= this.#attempts) throw new TokenError('invalid', 'JWKS could not be fetched');
      }
    }
  }
}

/** NUL can not be in a URL, so no two pairs share a key. */
const cacheKey = (url: string, kid: string): string => `${url}\0${kid}`;

function verifyWithSetKey(jwt: Jwt, { alg, key }: SetKey): boolean {
  return (alg === '' || alg === jwt.alg) && verifyWithPublicKey(jwt, key);
}

async function download(url: string, timeoutMs: number): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel();
    throw new Error(`status ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.length;
    if (bytes > MAX_SET_BYTES) throw new Error('too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** The signing keys of a set. A key of a kind unknown here is passed over: it must not take the others with it. */
function readSet(body: string): SetKey[] {
  let set: unknown;
  try {
    set = JSON.parse(body);
  } catch {
    throw new TokenError('invalid', 'JWKS is not JSON');
  }
  const keys = typeof set === 'object' && set !== null && 'keys' in set && Array.isArray(set.keys) ? set.keys : [];
  return keys.flatMap((jwk) => readKey(jwk) ?? []);
}

function readKey(jwk: unknown): SetKey | undefined {
  if (typeof jwk !== 'object' || jwk === null) return undefined;
  const { kid, use, kty, alg = '' } = jwk as Record<string, unknown>;
  if (typeof kid !== 'string' || use !== 'sig' || typeof alg !== 'string' || typeof kty !== 'string') return undefined;
  try {
    return { kid, alg, key: createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' }) };
  } catch {
    return undefined;
  }
}
