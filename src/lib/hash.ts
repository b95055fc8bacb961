/**
 * A 32-bit hash of a string's UTF-16 code units: FNV-1a, then the murmur3 finaliser so that low bits are usable for a
 * modulo. For placement inside one process only: it is not stable across versions.
 */
export function hash32(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
