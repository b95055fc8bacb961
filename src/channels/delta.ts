/**
 * Deltas in Fossil's format, which is what SDKs ask for with `delta: "fossil"`.
 *
 *   delta   = size "\n" segment* checksum ";"
 *   segment = count "@" offset ","        copy `count` bytes of the base from `offset`
 *           | count ":" bytes             insert these `count` bytes
 *
 * Numbers are base 64, most significant digit first. To find what to copy, the base is cut into blocks of 16 bytes whose
 * hashes go into a table; a hash rolls over the target, and where it meets a block's the match is extended both ways.
 *
 * Unlike the usual implementations this one knows UTF-8. On JSON connections a delta travels inside a string, and an
 * insert that starts or ends within a character would not survive that: a change from "é" to "è" would reach the client
 * as U+FFFD and fail its checksum. So copies are shortened to whole characters. For ordinary ASCII payloads the result is
 * byte for byte Centrifugo's.
 */
const BLOCK_BYTES = 16;
/**
 * Blocks of the same hash tried per position. Fossil tries 250; with fewer, 64 KB made of one repeated block, which any
 * client may publish, hold the thread for 6 ms instead of 40, and ordinary payloads come out the same.
 */
const MAX_CHAIN_STEPS = 32;
const DIGITS = Buffer.from('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~');

const NEWLINE = 0x0a;
const COMMA = 0x2c;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const AT = 0x40;

/** Scratch is made for payloads up to this; a larger one gets its own, for once. */
const SCRATCH_PAYLOAD_BYTES = 65_536;
/** Size line, last insert's header and checksum: everything that is not paid for by a copy being shorter to say. */
const FRAME_BYTES = 24;

const scratch = {
  out: Buffer.allocUnsafeSlow(SCRATCH_PAYLOAD_BYTES + FRAME_BYTES),
  newest: new Int32Array(SCRATCH_PAYLOAD_BYTES / BLOCK_BYTES),
  previous: new Int32Array(SCRATCH_PAYLOAD_BYTES / BLOCK_BYTES),
};

let out = scratch.out;
let pos = 0;
/** By hash, the last block (index + 1) that has it; by block, the one before with the same hash. 0: none. */
let newest = scratch.newest;
let previous = scratch.previous;

/**
 * A patch that turns `base` into `target`. Never fails; where the two have nothing in common it is a little longer than
 * `target`, and the caller should send `target` instead.
 * @returns a copy, at most 24 bytes longer than `target`.
 */
export function createDelta(base: Uint8Array, target: Uint8Array): Uint8Array {
  useScratch(base.length, target.length);
  putNumber(target.length);
  out[pos++] = NEWLINE;
  const rest = base.length > BLOCK_BYTES ? putMatches(base, target) : 0;
  if (rest < target.length || base.length <= BLOCK_BYTES) putInsert(target, rest, target.length);
  putNumber(checksum(target));
  out[pos++] = SEMICOLON;
  return Uint8Array.prototype.slice.call(out, 0, pos);
}

interface Match {
  bytes: number;
  /** In the base. */
  from: number;
  /** In the target. */
  at: number;
}

const best: Match = { bytes: 0, from: 0, at: 0 };

/** Everything up to the last copy. @returns how much of the target is done. */
function putMatches(base: Uint8Array, target: Uint8Array): number {
  const slots = Math.floor(base.length / BLOCK_BYTES);
  indexBlocks(base, slots);
  let done = 0;
  while (done + BLOCK_BYTES < target.length) {
    if (!findMatch(base, target, done, slots)) break;
    if (best.at > done) putInsert(target, done, best.at);
    putNumber(best.bytes);
    out[pos++] = AT;
    putNumber(best.from);
    out[pos++] = COMMA;
    done = best.at + best.bytes;
  }
  return done;
}

function indexBlocks(base: Uint8Array, slots: number): void {
  newest.fill(0, 0, slots);
  for (let block = 0; block * BLOCK_BYTES < base.length - BLOCK_BYTES; block++) {
    const slot = slotAt(base, block * BLOCK_BYTES, slots);
    previous[block] = newest[slot]!;
    newest[slot] = block + 1;
  }
}

/** Roll over the target from `done` to the first position that has a worthwhile match; it is left in `best`. */
function findMatch(base: Uint8Array, target: Uint8Array, done: number, slots: number): boolean {
  let sum = 0;
  let weighted = 0;
  for (let i = 0; i < BLOCK_BYTES; i++) {
    sum += target[done + i]!;
    weighted += (BLOCK_BYTES - i) * target[done + i]!;
  }
  best.bytes = 0;
  for (let at = done; ; at++) {
    let block = newest[slotOf(sum, weighted, slots)]!;
    for (let steps = 0; block !== 0 && steps < MAX_CHAIN_STEPS; steps++) {
      extend(base, target, (block - 1) * BLOCK_BYTES, at, done);
      block = previous[block - 1]!;
    }
    if (best.bytes > 0) return true;
    if (at + BLOCK_BYTES >= target.length) return false;
    const leaving = target[at]!;
    sum = (sum - leaving + target[at + BLOCK_BYTES]!) & 0xffff;
    weighted = (weighted - BLOCK_BYTES * leaving + sum) & 0xffff;
  }
}

/** Keep the match around base[from] and target[at] if it is the longest so far and shorter to say than to insert. */
function extend(base: Uint8Array, target: Uint8Array, from: number, at: number, done: number): void {
  let ahead = 0;
  while (from + ahead < base.length && at + ahead < target.length && base[from + ahead] === target[at + ahead]) ahead++;
  let behind = 0;
  while (behind + 1 < from && behind < at - done && base[from - behind - 1] === target[at - behind - 1]) behind++;

  let start = at - behind;
  let end = at + ahead;
  // Only whole characters are copied, see above. ASCII never enters these loops.
  while (end > start && end < target.length && continuesCharacter(target[end]!)) end--;
  while (start < end && continuesCharacter(target[start]!)) start++;

  const bytes = end - start;
  if (bytes <= best.bytes) return;
  const source = from + start - at;
  if (bytes < digitCount(start - done) + digitCount(bytes) + digitCount(source) + 3) return;
  best.bytes = bytes;
  best.from = source;
  best.at = start;
}

const continuesCharacter = (byte: number): boolean => (byte & 0xc0) === 0x80;

function slotAt(bytes: Uint8Array, start: number, slots: number): number {
  let sum = 0;
  let weighted = 0;
  for (let i = 0; i < BLOCK_BYTES; i++) {
    sum += bytes[start + i]!;
    weighted += (BLOCK_BYTES - i) * bytes[start + i]!;
  }
  return slotOf(sum, weighted, slots);
}

/** The window's hash, 16 bits each of the sum of its bytes and of that sum weighted by distance from its end. */
const slotOf = (sum: number, weighted: number, slots: number): number =>
  (((weighted << 16) | (sum & 0xffff)) >>> 0) % slots;

function digitCount(value: number): number {
  let digits = 1;
  for (let limit = 64; value >= limit; limit *= 64) digits++;
  return digits;
}

/** The sum of the bytes as big-endian 32-bit words, the last one filled up with zeros. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  let i = 0;
  for (; i + 4 <= bytes.length; i += 4) {
    sum = (sum + ((bytes[i]! << 24) | (bytes[i + 1]! << 16) | (bytes[i + 2]! << 8) | bytes[i + 3]!)) | 0;
  }
  for (let shift = 24; i < bytes.length; i++, shift -= 8) sum = (sum + (bytes[i]! << shift)) | 0;
  return sum >>> 0;
}

/** @param value  below 2^32. */
function putNumber(value: number): void {
  let shift = 30;
  while (shift > 0 && value >>> shift === 0) shift -= 6;
  for (; shift >= 0; shift -= 6) out[pos++] = DIGITS[(value >>> shift) & 63]!;
}

function putInsert(target: Uint8Array, start: number, end: number): void {
  putNumber(end - start);
  out[pos++] = COLON;
  out.set(target.subarray(start, end), pos);
  pos += end - start;
}

function useScratch(baseBytes: number, targetBytes: number): void {
  pos = 0;
  out = targetBytes <= SCRATCH_PAYLOAD_BYTES ? scratch.out : Buffer.allocUnsafeSlow(targetBytes + FRAME_BYTES);
  const blocks = Math.floor(baseBytes / BLOCK_BYTES);
  const fits = baseBytes <= SCRATCH_PAYLOAD_BYTES;
  newest = fits ? scratch.newest : new Int32Array(blocks);
  previous = fits ? scratch.previous : new Int32Array(blocks);
}
