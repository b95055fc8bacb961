/**
 * Which rings have something new, so that a thread need not look at all of them. One bit for every ordered pair of slots,
 * in the reader's part of the memory of the doorbells, next to the word by which it is woken:
 *
 *   byte 0        4                  8                        BELL_BYTES
 *   | i32 asleep  | u32 slots 0–31   | u32 slots 32–63 | ...  |      for each slot that reads
 *
 *   writer:  publish to the ring — set its bit — ring the doorbell
 *   reader:  take all bits, which clears them — read those rings
 *
 * A bit is set after what it stands for was shown, and cleared before the ring is read: a record that a reader misses has its
 * bit set after that, and is found the next time.
 */
import { BELL_BYTES } from './wires.js';

const WORDS_BEFORE = 1;

export class Marks {
  readonly #words: Int32Array;
  readonly #start: number;
  readonly #end: number;
  readonly #word: number;
  readonly #bit: number;

  constructor(bells: SharedArrayBuffer, self: number) {
    this.#words = new Int32Array(bells);
    const slots = bells.byteLength / BELL_BYTES;
    this.#start = self * (BELL_BYTES / 4) + WORDS_BEFORE;
    this.#end = this.#start + Math.ceil(slots / 32);
    this.#word = WORDS_BEFORE + (self >>> 5);
    this.#bit = 1 << (self & 31);
  }

  /** There is something new on the ring from this thread to `slot`. */
  set(slot: number): void {
    Atomics.or(this.#words, slot * (BELL_BYTES / 4) + this.#word, this.#bit);
  }

  get any(): boolean {
    for (let at = this.#start; at < this.#end; at++) if (Atomics.load(this.#words, at) !== 0) return true;
    return false;
  }

  /** Calls `visit` with every slot that has set its bit, and clears it. @returns the sum of what that returns. */
  take(visit: (slot: number) => number): number {
    let sum = 0;
    for (let at = this.#start; at < this.#end; at++) {
      if (Atomics.load(this.#words, at) === 0) continue;
      let bits = Atomics.exchange(this.#words, at, 0);
      for (; bits !== 0; bits &= bits - 1) sum += visit((at - this.#start) * 32 + 31 - Math.clz32(bits & -bits));
    }
    return sum;
  }
}
