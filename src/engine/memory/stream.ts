import { entryLength, setEntryOffset, setEntryTime } from '../../protocol/entry.js';
import type { Bytes } from '../../protocol/messages.js';
import type { HistoryFilter } from '../engine.js';

const EMPTY = Buffer.alloc(0);
const SLAB_STEP_BYTES = 64;
/** A slab more than eight times as large as what it holds is given back, but not for so little. */
const SLAB_TOLERATED_BYTES = 1024;

export interface Selection {
  readonly count: number;
  readonly entries: Bytes;
}

const NOTHING: Selection = Object.freeze({ count: 0, entries: EMPTY });

export function stampEntry(entry: Bytes, at: number, offset: number, timeMs: number): void {
  setEntryOffset(entry, offset, at);
  setEntryTime(entry, timeMs, at);
}

/**
 * One channel's history and position. Entries stand one after the other, oldest first, in one slab:
 *
 *   |  free  | entry | entry |  …  | entry |  free  |
 *   0      start                  last    end     slab.length
 *
 * Offsets have no gaps (entries leave only from the front, or all at once), so a range of offsets is a range of bytes
 * and reading it is a view. When the end is reached the entries move to the front of the slab, or to a new one where
 * they would fill it by more than three quarters: at most three bytes are moved for one appended.
 */
export class Stream {
  /** Offset of the newest publication there has been; stays when entries leave. */
  top = 0;
  /** Number of entries held. Their offsets are top - count + 1 … top. */
  count = 0;
  /** Of the last versioned publication. */
  version = 0;
  versionEpoch = '';
  entriesExpireAtMs = 0;
  /** When offset and epoch are forgotten; Infinity for never. */
  expireAtMs = Number.POSITIVE_INFINITY;

  #slab: Buffer = EMPTY;
  #start = 0;
  #last = 0;
  #end = 0;

  constructor(readonly epoch: string) {}

  /**
   * Copy `entry` in as the newest, with the next offset.
   * @param size  entries to keep, this one included.
   * @returns the stored entry, valid until the next call.
   */
  append(entry: Bytes, size: number, timeMs: number): Bytes {
    while (this.count >= size) this.#dropOldest();
    this.#reserve(entry.length);
    this.#last = this.#end;
    this.#end += entry.length;
    this.#slab.set(entry, this.#last);
    this.count++;
    this.top++;
    stampEntry(this.#slab, this.#last, this.top, timeMs);
    return this.#slab.subarray(this.#last, this.#end);
  }

  /** See {@link HistoryFilter}; entries are valid until the next call. */
  select(filter: HistoryFilter): Selection {
    const first = this.top - this.count + 1;
    const limit = filter.limit < 0 ? this.count : filter.limit;
    if (filter.reverse) {
      const newest = filter.since === undefined ? this.top : filter.since.offset - 1;
      // A position that is not held any more (or not yet) has nothing known before it.
      if (newest > this.top || newest < first) return NOTHING;
      return this.#backward(newest, Math.min(limit, newest - first + 1));
    }
    const oldest = filter.since === undefined ? first : Math.max(first, filter.since.offset + 1);
    return this.#forward(oldest, Math.min(limit, this.top - oldest + 1));
  }

  /** Drop all entries; the position stays. */
  clear(): void {
    this.count = 0;
    this.#slab = EMPTY;
    this.#start = this.#last = this.#end = 0;
  }

  #forward(oldest: number, count: number): Selection {
    if (count <= 0) return NOTHING;
    const from = this.#seek(oldest);
    return { count, entries: this.#slab.subarray(from, this.#seek(oldest + count, oldest, from)) };
  }

  #backward(newest: number, count: number): Selection {
    if (count <= 1) return this.#forward(newest, count);
    const from = this.#seek(newest - count + 1);
    const to = this.#seek(newest + 1, newest - count + 1, from);
    const entries = Buffer.allocUnsafe(to - from);
    let target = entries.length;
    for (let at = from; at < to; ) {
      const next = at + this.#lengthAt(at);
      target -= next - at;
      this.#slab.copy(entries, target, at, next);
      at = next;
    }
    return { count, entries };
  }

  /** Position of the entry with this offset (top + 1: the end), walking from a known one where that is needed. */
  #seek(offset: number, knownOffset = this.top - this.count + 1, knownAt = this.#start): number {
    if (offset > this.top) return this.#end;
    if (offset === this.top) return this.#last;
    let at = knownAt;
    for (let known = knownOffset; known < offset; known++) at += this.#lengthAt(at);
    return at;
  }

  #lengthAt(at: number): number {
    return entryLength(this.#slab, at);
  }

  #dropOldest(): void {
    this.#start += this.#lengthAt(this.#start);
    if (--this.count === 0) this.#start = this.#end = 0;
  }

  #reserve(bytes: number): void {
    const needed = this.#end - this.#start + bytes;
    const capacity = this.#slab.length;
    const oversized = capacity > needed * 8 + SLAB_TOLERATED_BYTES;
    if (this.#end + bytes <= capacity && !oversized) return;
    const target = needed <= capacity * 0.75 && !oversized ? this.#slab : this.#allocate(needed);
    this.#slab.copy(target, 0, this.#start, this.#end);
    this.#slab = target;
    this.#end -= this.#start;
    this.#start = 0;
  }

  /** Exactly one entry is not given room for a second: most channels of a large server hold one. */
  #allocate(bytes: number): Buffer {
    const wanted = this.count === 0 ? bytes : bytes * 2;
    return Buffer.allocUnsafeSlow(Math.ceil(wanted / SLAB_STEP_BYTES) * SLAB_STEP_BYTES);
  }
}
