import { fnv1a64 } from './fnv.js';

const MULTIPLIER_HIGH = 0x27bb2ee6;
const MULTIPLIER_LOW = 0x87b0b0fd;
const TWO_31 = 2 ** 31;

const key = new Uint32Array(2);

/**
 * Jump consistent hash (Lamping and Veach, 2014, https://arxiv.org/abs/1406.2294) over FNV-1a 64 of the text: what
 * Centrifugo places channels with (`consistentIndex`), so that both see a channel in the same place. Buckets have numbers
 * only: they can be added and taken away at the end of the list, and nowhere else.
 *
 * @param buckets  at least 1.
 * @returns from 0 to `buckets - 1`.
 */
export function jumpHash(text: string, buckets: number): number {
  fnv1a64(text, key);
  let hi = key[0]!;
  let lo = key[1]!;
  let bucket = 0;
  let next = 0;
  while (next < buckets) {
    bucket = next;
    // key = key * 2862933555777941757 + 1, modulo 2^64
    hi = (highOfProduct(lo, MULTIPLIER_LOW) + Math.imul(lo, MULTIPLIER_HIGH) + Math.imul(hi, MULTIPLIER_LOW)) >>> 0;
    lo = Math.imul(lo, MULTIPLIER_LOW) >>> 0;
    if (++lo === 2 ** 32) {
      lo = 0;
      hi = (hi + 1) >>> 0;
    }
    next = Math.trunc((bucket + 1) * (TWO_31 / ((hi >>> 1) + 1)));
  }
  return bucket;
}

/** The upper 32 bits of the product of two 32-bit numbers. */
function highOfProduct(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const cross = aLow * bHigh + (middle % 0x10000);
  return aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000);
}
