/** Where a 64-bit value goes: high half, low half. */
import { charCode } from './char-code.js';
export type Halves = Uint32Array;

/** The prime is 2^40 + 435. */
const PRIME_LOW = 435;
const ASCII = /^\p{ASCII}*$/u;

/**
 * FNV-1a, 64 bits, of a text's UTF-8 bytes (http://www.isthe.com/chongo/tech/comp/fnv). The same for the same text
 * everywhere and for ever, and the same as Go's `hash/fnv` `New64a`; a lone surrogate counts as U+FFFD.
 */
export function fnv1a64(text: string, into: Halves): void {
  // One character a byte.
  const bytes = ASCII.test(text) ? text : Buffer.from(text).toString('latin1');
  let hi = 0xcbf29ce4 | 0;
  let lo = 0x84222325 | 0;
  const { length } = bytes;
  for (let i = 0; i < length; i++) {
    lo ^= charCode(bytes, i);
    // Sixteen bits at a time everything stays a small integer.
    const first = (lo & 0xffff) * PRIME_LOW;
    const second = (lo >>> 16) * PRIME_LOW + (first >>> 16);
    hi = (Math.imul(hi, PRIME_LOW) + (second >>> 16) + (lo << 8)) | 0;
    lo = (second << 16) | (first & 0xffff);
  }
  into[0] = hi;
  into[1] = lo;
}
