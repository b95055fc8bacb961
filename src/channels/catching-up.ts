/** What a follower (follower.ts) keeps only while history is being read or waited for. */
import type { Bytes, StreamPosition } from '../protocol/messages.js';

/** Publications kept for one channel: held back, and handed on since a read began; of each so many. */
const KEPT_MAX_BYTES = 1 << 20;

/** A read that a subscriber waits for. Exactly one of its methods is called, once. */
export interface Joining {
  /**
   * Join now, after what was handed on last.
   * @param position  that place.
   * @param since  the publications between what the read has shown and that place; undefined if they were too many to keep.
   */
  join(position: StreamPosition, since: readonly Bytes[] | undefined): void;
  /** The read does not fit the stream as it is now: read again. */
  again(): void;
}

export interface Held {
  readonly entry: Buffer;
  readonly epoch: string;
}

export class CatchingUp {
  /** Reads under way. */
  reads = 0;
  /** Another heal is wanted after the one under way. */
  healAgain = false;
  /** The stream may have lost its end. */
  suspicious = false;
  /** At the heal under way. */
  attempts = 0;
  #held: Held[] = [];
  #heldBytes = 0;
  /** Handed on since the first of the reads under way began, after `#recentFrom`. */
  #recent: Buffer[] = [];
  #recentBytes = 0;
  #recentFrom = 0;
  #waiting: { offset: number; joining: Joining }[] = [];

  get isIdle(): boolean {
    return this.reads === 0 && this.#waiting.length === 0 && this.#held.length === 0 && !this.suspicious;
  }

  // ---- publications that came while healing, or before the first read was answered ----

  /** @returns false if that is more than may be kept. It is kept all the same. */
  hold(entry: Bytes, epoch: string): boolean {
    this.#held.push({ entry: Buffer.from(entry), epoch });
    this.#heldBytes += entry.length;
    return this.#heldBytes <= KEPT_MAX_BYTES;
  }

  takeHeld(): Held[] {
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    return held;
  }

  // ---- publications that were handed on while a read was under way ----

  beginRead(top: number): void {
    if (this.reads++ === 0) this.forgetRecent(top);
  }

  /** @returns whether it was the last. */
  endRead(): boolean {
    this.reads--;
    if (this.reads === 0) this.forgetRecent(this.#recentFrom);
    return this.reads === 0;
  }

  handedOn(entry: Bytes): void {
    if (this.reads === 0) return;
    this.#recentBytes += entry.length;
    if (this.#recentBytes <= KEPT_MAX_BYTES) this.#recent.push(Buffer.from(entry));
  }

  forgetRecent(top: number): void {
    this.#recentFrom = top;
    this.#recent = [];
    this.#recentBytes = 0;
  }

  /** Whether a read may be of the stream as it is: reads under way began no earlier than this. */
  knowsSince(offset: number): boolean {
    return offset >= this.#recentFrom;
  }

  /** What was handed on after `offset`, up to `top`; undefined if it was too much to keep. */
  since(offset: number, top: number): Buffer[] | undefined {
    if (offset === top) return [];
    return this.#recentBytes <= KEPT_MAX_BYTES ? this.#recent.slice(offset - this.#recentFrom) : undefined;
  }

  // ---- reads that have seen further than the feed ----

  /** @param offset  where it can join; Infinity to be told when the heal under way is over. */
  wait(offset: number, joining: Joining): void {
    this.#waiting.push({ offset, joining });
  }

  /** Those that can join at `top`. */
  takeDue(top: number): Joining[] {
    if (this.#waiting.length === 0) return [];
    const due = this.#waiting.filter(({ offset }) => offset <= top);
    if (due.length > 0) this.#waiting = this.#waiting.filter(({ offset }) => offset > top);
    return due.map(({ joining }) => joining);
  }

  takeWaiting(): Joining[] {
    return this.takeDue(Number.POSITIVE_INFINITY);
  }
}
