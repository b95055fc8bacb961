/**
 * Signature checks with configured keys.
 *
 * The key decides the algorithm: an HMAC secret only ever checks HS256/384/512, an RSA key RS…, an ECDSA key the one ES…
 * of its curve. A token's `alg` selects among those and can not widen them.
 */
import { createHmac, createPublicKey, createSecretKey, type KeyObject, timingSafeEqual, verify } from 'node:crypto';
import type { Jwt } from './jwt.js';

export interface KeyOptions {
  readonly hmac_secret_key: string;
  readonly hmac_previous_secret_key: string;
  /** Unix seconds; 0: no end. */
  readonly hmac_previous_secret_key_valid_until: number;
  readonly rsa_public_key: string;
  readonly ecdsa_public_key: string;
}

interface HmacHash {
  readonly name: string;
  /** Memory for a digest, used again and again. */
  readonly digest: Buffer;
}

const HMAC_HASHES: ReadonlyMap<string, HmacHash> = new Map([
  ['HS256', { name: 'sha256', digest: Buffer.alloc(32) }],
  ['HS384', { name: 'sha384', digest: Buffer.alloc(48) }],
  ['HS512', { name: 'sha512', digest: Buffer.alloc(64) }],
]);
const RSA_HASHES = new Map([
  ['RS256', 'sha256'],
  ['RS384', 'sha384'],
  ['RS512', 'sha512'],
]);
/** By OpenSSL's name of the curve, the one algorithm there is for it (RFC 7518 §3.4). */
const ECDSA_CURVES = new Map([
  ['prime256v1', { alg: 'ES256', hash: 'sha256' }],
  ['secp384r1', { alg: 'ES384', hash: 'sha384' }],
  ['secp521r1', { alg: 'ES512', hash: 'sha512' }],
]);

export class StaticKeys {
  readonly #secret: KeyObject | undefined;
  readonly #previousSecret: KeyObject | undefined;
  readonly #previousValidUntil: number;
  readonly #rsa: KeyObject | undefined;
  readonly #ecdsa: KeyObject | undefined;

  /** @throws Error naming the option whose key can not be used. */
  constructor(options: KeyOptions) {
    this.#secret = secretKey(options.hmac_secret_key);
    this.#previousSecret = secretKey(options.hmac_previous_secret_key);
    this.#previousValidUntil = options.hmac_previous_secret_key_valid_until;
    this.#rsa = publicKey('rsa_public_key', options.rsa_public_key, 'rsa');
    this.#ecdsa = publicKey('ecdsa_public_key', options.ecdsa_public_key, 'ec');
  }

  /**
   * @param iat  the token's, unix seconds.
   * @param now  unix seconds.
   */
  verify(jwt: Jwt, iat: number | undefined, now: number): boolean {
    const hash = HMAC_HASHES.get(jwt.alg);
    if (hash === undefined) return verifyWithPublicKey(jwt, RSA_HASHES.has(jwt.alg) ? this.#rsa : this.#ecdsa);
    if (hmacMatches(jwt, hash, this.#secret)) return true;
    return this.#previousAccepted(iat, now) && hmacMatches(jwt, hash, this.#previousSecret);
  }

  /** After the date the old secret is worth nothing, nor are tokens that say they were signed with it after the date. */
  #previousAccepted(iat: number | undefined, now: number): boolean {
    const until = this.#previousValidUntil;
    return until === 0 || (Math.floor(now) <= until && (iat === undefined || iat <= until));
  }
}

const secretKey = (secret: string): KeyObject | undefined =>
  secret === '' ? undefined : createSecretKey(Buffer.from(secret));

function hmacMatches({ signed, signature }: Jwt, { name, digest }: HmacHash, secret: KeyObject | undefined): boolean {
  if (secret === undefined) return false;
  // By way of a string: memory that each digest has for itself costs a quarter of it all.
  digest.write(createHmac(name, secret).update(signed, 'latin1').digest('binary'), 'latin1');
  return digest.length === signature.length && timingSafeEqual(digest, signature);
}

/** Whether `key` may check the token's algorithm and confirms the signature. */
export function verifyWithPublicKey({ alg, signed, signature }: Jwt, key: KeyObject | undefined): boolean {
  const data = Buffer.from(signed);
  switch (key?.asymmetricKeyType) {
    case 'rsa': {
      const hash = RSA_HASHES.get(alg);
      return hash !== undefined && verify(hash, data, key, signature);
    }
    case 'ec': {
      const curve = ecdsaCurve(key);
      return curve?.alg === alg && verify(curve.hash, data, { key, dsaEncoding: 'ieee-p1363' }, signature);
    }
    case 'ed25519':
      return alg === 'EdDSA' && verify(null, data, key, signature);
    default:
      return false;
  }
}

const ecdsaCurve = (key: KeyObject) => ECDSA_CURVES.get(key.asymmetricKeyDetails?.namedCurve ?? '');

function publicKey(option: string, pem: string, type: 'rsa' | 'ec'): KeyObject | undefined {
  if (pem === '') return undefined;
  if (pem.includes('PRIVATE KEY')) throw new Error(`${option} holds a private key, the public key is needed`);
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    // The reason OpenSSL gives may quote its input.
    throw new Error(`${option} is not a public key in PEM`);
  }
  if (key.asymmetricKeyType !== type) throw new Error(`${option} is a key of another kind (${key.asymmetricKeyType})`);
  if (type === 'ec' && ecdsaCurve(key) === undefined) {
    throw new Error(`${option} must be on curve P-256, P-384 or P-521`);
  }
  return key;
}
