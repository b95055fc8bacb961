/**
 * Texts that come again and again, by their bytes: finding one takes a third of decoding it, and a string that is the same
 * as before has its hash already. A new one replaces whatever has its place.
 */
const SLOTS = 2048;
/** Longer ones are always decoded. */
const TEXT_MAX_BYTES = 64;
/** Names that differ do so at their ends. */
const HASHED_BYTES = 12;

export class TextCache {
  readonly #texts: (string | undefined)[] = new Array(SLOTS).fill(undefined);
  readonly #lengths = new Uint8Array(SLOTS);
  /** {@link TEXT_MAX_BYTES} for each slot. */
  readonly #bytes = Buffer.allocUnsafeSlow(SLOTS * TEXT_MAX_BYTES);

  /** [start, end) of `bytes`, which is UTF-8. */
  text(bytes: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length > TEXT_MAX_BYTES) return bytes.toString('utf8', start, end);
    const slot = slotOf(bytes, start, end);
    const known = this.#texts[slot];
    if (known !== undefined && this.#lengths[slot] === length && this.#holds(slot, bytes, start, end)) return known;
    const text = bytes.toString('utf8', start, end);
    this.#texts[slot] = text;
    this.#lengths[slot] = length;
    for (let i = start, at = slot * TEXT_MAX_BYTES; i < end; i++) this.#bytes[at++] = bytes[i]!;
    return text;
  }

  #holds(slot: number, bytes: Buffer, start: number, end: number): boolean {
    const held = this.#bytes;
    // From the end, where they differ.
    for (let i = end - 1, at = slot * TEXT_MAX_BYTES + (end - start) - 1; i >= start; i--, at--)
      if (held[at] !== bytes[i]) return false;
    return true;
  }
}

/** Names of channels, which come again and again, from requests as in records between threads. */
export const channelNames = new TextCache();

function slotOf(bytes: Buffer, start: number, end: number): number {
  let hash = end - start;
  for (let i = Math.max(start, end - HASHED_BYTES); i < end; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0;
  return (hash ^ (hash >>> 11)) & (SLOTS - 1);
}
