/**
 * Connection and subscription tokens.
 *
 * Signatures are checked with node:crypto directly. HS256 with 250 B of claims on Node 20, microseconds of CPU per token:
 * this file 10, fast-jwt 9, jose 60 (it is asynchronous throughout), the HMAC alone 4. fast-jwt hands claims over as
 * JSON.parse made them, and `info` must survive exactly, so it would save nothing. What a library protects from is in
 * keys.ts: the key decides the algorithm, so an RSA public key can not become an HMAC secret and `none` does not exist,
 * and digests are compared in constant time.
 */
import type { TokenConfig } from '../config/config.js';
import { type Clock, systemClock } from '../lib/clock.js';
import { JsonReader } from '../protocol/json-reader.js';
import { JsonError } from '../protocol/json-scanner.js';
import type { Bytes } from '../protocol/messages.js';
import { ClaimRules } from './claim-rules.js';
import {
  claimAsText,
  type RegisteredClaims,
  readConnectClaims,
  readSubscribeClaims,
  type SubscriptionClaims,
} from './claims.js';
import { Jwks, type JwksOptions } from './jwks.js';
import { type Jwt, parseJwt, TokenError } from './jwt.js';
import { StaticKeys } from './keys.js';

export type { SubscriptionClaims, SubscriptionOverride } from './claims.js';
export { TokenError } from './jwt.js';

/** `client.token` and `client.subscription_token`. */
export type TokenOptions = Omit<TokenConfig, 'enabled'>;

export interface ConnectToken {
  /** '' is an anonymous user. */
  readonly user: string;
  /** Unix seconds; 0: the connection does not expire. */
  readonly expireAt: number;
  /** `conn_info`: JSON exactly as signed, or any bytes (`b64info`). */
  readonly info: Bytes | undefined;
  /** For the application only, never sent to clients. JSON exactly as signed. */
  readonly meta: Bytes | undefined;
  /** Server-side subscriptions: `subs`, or the bare `channels` if there are none. Names are not checked (102) here. */
  readonly subs: ReadonlyMap<string, SubscriptionClaims>;
}

export interface SubscribeToken extends SubscriptionClaims {
  /** Must be the connection's user. */
  readonly user: string;
  /** Must be the channel asked for. Never ''. */
  readonly channel: string;
  /** If not '', must be the connection's id. */
  readonly client: string;
  /** Unix seconds; 0: the subscription does not expire. */
  readonly expireAt: number;
}

export interface TokenExtras {
  /** `client.insecure_skip_token_signature_verify`: everything but the signature still counts. */
  skipSignatureVerify?: boolean;
  clock?: Clock;
  jwks?: JwksOptions;
}

const USER_ID_CLAIM = /^[a-zA-Z_]+$/;

export class TokenVerifier {
  readonly #keys: StaticKeys | undefined;
  readonly #jwks: Jwks | undefined;
  readonly #rules: ClaimRules;
  readonly #userIdClaim: string;
  readonly #skipSignature: boolean;
  readonly #clock: Clock;

  /** @throws Error naming the option (relative to its section) that cannot be used. Keys are never in the message. */
  constructor(options: TokenOptions, extras: TokenExtras = {}) {
    if (options.user_id_claim !== '' && !USER_ID_CLAIM.test(options.user_id_claim)) {
      throw new Error('user_id_claim may only have letters and underscores');
    }
    this.#userIdClaim = options.user_id_claim;
    this.#skipSignature = extras.skipSignatureVerify ?? false;
    this.#clock = extras.clock ?? systemClock;
    this.#rules = new ClaimRules(options);
    if (options.jwks_public_endpoint === '') this.#keys = new StaticKeys(options);
    else this.#jwks = new Jwks(options, this.#clock, extras.jwks);
  }

  /**
   * A value, or a promise where a key must be fetched first (JWKS, at most once an hour per key).
   * @throws TokenError (or rejects with it)
   */
  verifyConnect(token: string): ConnectToken | Promise<ConnectToken> {
    return this.#verify(token, readConnectClaims, (claims, payload) => {
      if (claims.channel !== '') throw new TokenError('invalid', 'a connection token must not have a channel claim');
      this.#checkTimes(claims);
      return {
        user: this.#user(claims, payload),
        expireAt: expiry(claims),
        info: claims.info,
        meta: claims.meta,
        subs: serverSubscriptions(claims.subs, claims.channels),
      };
    });
  }

  /** As {@link verifyConnect}. That user, channel and client fit the connection is for `decideSubscribe`. */
  verifySubscribe(token: string): SubscribeToken | Promise<SubscribeToken> {
    return this.#verify(token, readSubscribeClaims, (claims, payload) => {
      this.#checkTimes(claims);
      if (claims.channel === '') throw new TokenError('invalid', 'a subscription token must have a channel claim');
      const { info, data, override } = claims;
      return {
        user: this.#user(claims, payload),
        channel: claims.channel,
        client: claims.client,
        expireAt: expiry(claims),
        info,
        data,
        override,
      };
    });
  }

  /** Signature first, then issuer and audience, then what `accept` asks; each step only if the one before passed. */
  #verify<Claims extends RegisteredClaims, T>(
    token: string,
    read: (reader: JsonReader) => Claims,
    accept: (claims: Claims, payload: Buffer) => T,
  ): T | Promise<T> {
    const [jwt, claims] = parse(token, read);
    // Before the signature, because the groups that match here may select the key set.
    const groups = this.#rules.match(claims);
    const finish = (valid: boolean): T => {
      if (!valid) throw new TokenError('invalid', 'signature is not valid');
      this.#rules.check(claims);
      return accept(claims, jwt.payload);
    };
    if (this.#skipSignature) return finish(true);
    const valid = this.#jwks
      ? this.#jwks.verify(jwt, groups)
      : this.#keys!.verify(jwt, claims.iat, this.#clock.now() / 1000);
    return typeof valid === 'boolean' ? finish(valid) : valid.then(finish);
  }

  #checkTimes({ exp, nbf }: RegisteredClaims): void {
    const now = this.#clock.now() / 1000;
    if (exp !== undefined && exp <= now) throw new TokenError('expired', 'token expired');
    if (nbf !== undefined && nbf >= now) throw new TokenError('expired', 'token is not valid yet');
  }

  #user(claims: RegisteredClaims, payload: Buffer): string {
    return this.#userIdClaim === '' ? claims.sub : claimAsText(payload, this.#userIdClaim);
  }
}

function parse<Claims>(token: string, read: (reader: JsonReader) => Claims): [Jwt, Claims] {
  try {
    const jwt = parseJwt(token);
    return [jwt, read(new JsonReader(jwt.payload))];
  } catch (error) {
    if (error instanceof JsonError) throw new TokenError('invalid', `malformed token: ${error.message}`);
    throw error;
  }
}

/** `expire_at` wins over `exp`, and says "never" with 0 or less. */
function expiry({ expireAt, exp }: RegisteredClaims): number {
  return Math.max(0, expireAt ?? Math.trunc(exp ?? 0));
}

const NO_SUBSCRIPTIONS: ReadonlyMap<string, SubscriptionClaims> = new Map();

function serverSubscriptions(
  subs: Record<string, SubscriptionClaims>,
  channels: readonly string[],
): ReadonlyMap<string, SubscriptionClaims> {
  const named = Object.entries(subs);
  if (named.length === 0 && channels.length === 0) return NO_SUBSCRIPTIONS;
  return new Map(named.length > 0 ? named : channels.map((channel) => [channel, {}]));
}
