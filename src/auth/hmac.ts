/**
 * HMAC (RFC 2104) of short texts by two calls of the one-shot hash: Node's own makes an object with native state for each
 * text, which costs as much as the hashing, and more when it is collected.
 */
import * as crypto from 'node:crypto';

export type HmacHash = 'sha256' | 'sha384' | 'sha512';

const BLOCK_BYTES: Readonly<Record<HmacHash, number>> = { sha256: 64, sha384: 128, sha512: 128 };
const DIGEST_MAX_BYTES = 64;
/** Longer texts are left to Node, as all are before Node 20.12. */
const TEXT_MAX_CHARS = crypto.hash === undefined ? 0 : 4096;

/** What is hashed: the key xor a constant, then the text, or the digest of that. */
interface Padded {
  readonly block: number;
  readonly inner: Buffer;
  readonly outer: Buffer;
}

export class HmacKey {
  readonly #padded: Partial<Record<HmacHash, Padded>> = {};

  constructor(private readonly key: crypto.KeyObject) {}

  /** @param text  ASCII. */
  digest(hash: HmacHash, text: string): Buffer {
    if (text.length > TEXT_MAX_CHARS) return crypto.createHmac(hash, this.key).update(text).digest();
    this.#padded[hash] ??= padded(hash, this.key.export());
    const { block, inner, outer } = this.#padded[hash];
    const innerEnd = block + inner.write(text, block, 'latin1');
    // A string costs less than a Buffer.
    const digest = crypto.hash(hash, inner.subarray(0, innerEnd), 'binary');
    const outerEnd = block + outer.write(digest, block, 'latin1');
    return crypto.hash(hash, outer.subarray(0, outerEnd), 'buffer');
  }
}

function padded(hash: HmacHash, secret: Buffer): Padded {
  const block = BLOCK_BYTES[hash];
  const key = secret.length > block ? crypto.createHash(hash).update(secret).digest() : secret;
  const inner = Buffer.alloc(block + TEXT_MAX_CHARS);
  const outer = Buffer.alloc(block + DIGEST_MAX_BYTES);
  for (let i = 0; i < block; i++) {
    inner[i] = (key[i] ?? 0) ^ 0x36;
    outer[i] = (key[i] ?? 0) ^ 0x5c;
  }
  return { block, inner, outer };
}
