import { charCode } from './char-code.js';

/**
 * A 32-bit hash of a string's UTF-16 code units: FNV-1a, then the murmur3 finaliser so that low bits are usable for a
 * modulo. For placement inside one process only: it is not stable across versions.
 *
 * @param seed  32 bits; secret and random where clients choose the texts, so that they cannot pile them up in one place.
 */
export function hash32(text: string, seed = 0): number {
  let h = 0x811c9dc5 ^ seed;
  const { length } = text;
  for (let i = 0; i < length; i++) h = Math.imul(h ^ charCode(text, i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
