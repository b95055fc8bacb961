/**
 * A growable scratch buffer and a bounds-checked reader, for records and wire formats.
 *
 * Both work on Buffers over a SharedArrayBuffer, which is why text goes through Buffer's own methods:
 * TextEncoder and TextDecoder refuse shared memory.
 */
// The global of that name is a getter, which no compiler sees through.
import { Buffer } from 'node:buffer';
import { charCode } from './char-code.js';
import type { TextCache } from './text-cache.js';

/** A scratch buffer that grew past this for one large record is let go at the next {@link ByteWriter.reset}. */
const RETAINED_BYTES = 1 << 20;

/** Below these a loop beats the call into native code. */
const SHORT_TEXT_CHARS = 24;
const SHORT_COPY_BYTES = 64;

/** Making a view costs as much as copying some hundred bytes, and most records are as long as one before. */
const VIEWS_KEPT_BYTES = 1024;

const TWO_POW_32 = 0x1_0000_0000;

/** Any bytes as a Buffer over the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** So much of `scratch`, or memory of its own if there is none or too little. */
export function memoryFor(length: number, scratch: Buffer | undefined): Buffer {
  return scratch !== undefined && length <= scratch.length ? scratch.subarray(0, length) : Buffer.allocUnsafe(length);
}

/** Length of `value` as a uvarint. @param value  integer, 0 to 2^64. */
export function uvarintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

/**
 * Write `value` as a uvarint at `at`; there must be room.
 * @returns the position after it.
 */
export function putUvarint(target: Uint8Array, at: number, value: number): number {
  let rest = value;
  let pos = at;
  for (; rest >= TWO_POW_32; rest = Math.floor(rest / 0x80)) target[pos++] = (rest % 0x80) | 0x80;
  for (rest >>>= 0; rest >= 0x80; rest >>>= 7) target[pos++] = (rest & 0x7f) | 0x80;
  target[pos++] = rest;
  return pos;
}

/** Appends to a buffer that grows as needed and is meant to be reused: `reset()`, write, `view()` or `copy()`. */
export class ByteWriter {
  /** The scratch memory; [0, length) is written. Replaced when it grows: do not keep it across a write. */
  buffer: Buffer;
  length = 0;
  /** The same memory. What Buffer has for numbers takes five to thirty times as long. */
  #numbers: DataView;
  readonly #initialBytes: number;
  /** By length, of {@link #viewed}. */
  #views: (Buffer | undefined)[] = [];
  #viewed: Buffer | undefined;

  constructor(initialBytes = 4096) {
    this.#initialBytes = initialBytes;
    this.buffer = Buffer.allocUnsafeSlow(initialBytes);
    this.#numbers = new DataView(this.buffer.buffer);
  }

  reset(): this {
    this.length = 0;
    if (this.buffer.length > RETAINED_BYTES) this.#use(Buffer.allocUnsafeSlow(this.#initialBytes));
    return this;
  }

  #use(memory: Buffer): void {
    this.buffer = memory;
    this.#numbers = new DataView(memory.buffer);
  }

  /** What was written, valid until the next write or reset. */
  view(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  /** The same for whoever copies it at once: a later record of this length is the same object. */
  record(): Buffer {
    if (this.length > VIEWS_KEPT_BYTES) return this.view();
    if (this.#viewed !== this.buffer) {
      this.#viewed = this.buffer;
      this.#views = [];
    }
    this.#views[this.length] ??= this.view();
    return this.#views[this.length]!;
  }

  /** What was written, in memory of its own and of exactly that size. */
  copy(): Buffer {
    const out = Buffer.allocUnsafe(this.length);
    this.copyTo(out, 0, 0, this.length);
    return out;
  }

  /** Copy [start, end) of what was written to `at` in the target. @returns the position after it there. */
  copyTo(target: Buffer, at: number, start: number, end: number): number {
    const bytes = end - start;
    if (bytes > SHORT_COPY_BYTES) this.buffer.copy(target, at, start, end);
    else for (let i = 0; i < bytes; i++) target[at + i] = this.buffer[start + i]!;
    return at + bytes;
  }

  /** Make room for `bytes` more. */
  ensure(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(grown, 0, 0, this.length);
    this.#use(grown);
  }

  u8(value: number): void {
    if (this.length === this.buffer.length) this.ensure(1);
    this.buffer[this.length++] = value;
  }

  u32le(value: number): void {
    this.ensure(4);
    this.#numbers.setUint32(this.length, value, true);
    this.length += 4;
  }

  f64le(value: number): void {
    this.ensure(8);
    this.#numbers.setFloat64(this.length, value, true);
    this.length += 8;
  }

  /** @param value  integer, 0 to 2^64; exact up to 2^53. */
  uvarint(value: number): void {
    this.ensure(10);
    this.length = putUvarint(this.buffer, this.length, value);
  }

  /** The bytes alone, no length. */
  raw(bytes: Uint8Array): void {
    this.ensure(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** [start, end) of a buffer. */
  range(source: Buffer, start: number, end: number): void {
    const bytes = end - start;
    this.ensure(bytes);
    if (bytes > SHORT_COPY_BYTES) source.copy(this.buffer, this.length, start, end);
    else for (let i = 0; i < bytes; i++) this.buffer[this.length + i] = source[start + i]!;
    this.length += bytes;
  }

  /** What `write` appends, or what it appended the last time if that was kept under this key. */
  once(key: unknown, kept: Map<unknown, Uint8Array> | undefined, write: () => void): void {
    const known = kept?.get(key);
    if (known !== undefined) {
      this.raw(known);
      return;
    }
    const start = this.length;
    write();
    kept?.set(key, Buffer.from(this.buffer.subarray(start, this.length)));
  }

  /** Characters up to U+00FF, one byte each, no length. */
  ascii(text: string): void {
    const chars = text.length;
    this.ensure(chars);
    if (chars > SHORT_TEXT_CHARS) this.buffer.write(text, this.length, 'latin1');
    else for (let i = 0; i < chars; i++) this.buffer[this.length + i] = charCode(text, i);
    this.length += chars;
  }

  /** uvarint length, then the bytes. */
  bytes(bytes: Uint8Array): void {
    this.uvarint(bytes.length);
    this.raw(bytes);
  }

  /** uvarint length in bytes, then UTF-8. Lone surrogates become U+FFFD. */
  string(text: string): void {
    const chars = text.length;
    this.ensure(10 + chars * 3);
    if (chars <= SHORT_TEXT_CHARS && this.#shortAscii(text, chars)) return;
    const bytes = Buffer.byteLength(text);
    this.uvarint(bytes);
    this.length += this.buffer.write(text, this.length, 'utf8');
  }

  #shortAscii(text: string, chars: number): boolean {
    const start = this.length + 1;
    for (let i = 0; i < chars; i++) {
      const code = charCode(text, i);
      if (code >= 0x80) return false;
      this.buffer[start + i] = code;
    }
    this.buffer[this.length] = chars;
    this.length = start + chars;
    return true;
  }
}

/** Reads what {@link ByteWriter} wrote. Every method throws RangeError rather than read past the end. */
export class ByteReader {
  pos = 0;
  end = 0;
  #buffer: Buffer;
  /** Of {@link #buffer}, asked for once: native code has to be. */
  #memory: ArrayBufferLike | undefined;

  constructor(bytes: Uint8Array) {
    this.#buffer = asBuffer(bytes);
    this.end = bytes.length;
  }

  /** Start over with other bytes, so that one reader serves a whole drain. */
  reset(bytes: Uint8Array): this {
    return this.range(asBuffer(bytes), 0, bytes.length);
  }

  /** The same over a part of a buffer, without a view of it. */
  range(buffer: Buffer, start: number, end: number): this {
    if (buffer !== this.#buffer) {
      this.#buffer = buffer;
      this.#memory = undefined;
    }
    this.pos = start;
    this.end = end;
    return this;
  }

  get done(): boolean {
    return this.pos >= this.end;
  }

  u8(): number {
    return this.#buffer[this.#take(1)]!;
  }

  u32le(): number {
    return this.#buffer.readUInt32LE(this.#take(4));
  }

  f64le(): number {
    return this.#buffer.readDoubleLE(this.#take(8));
  }

  /** Values above 2^53 lose precision. @throws RangeError also on more than ten bytes. */
  uvarint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw new RangeError('uvarint is longer than ten bytes');
  }

  /** `length` bytes, as a view. */
  raw(length: number): Buffer {
    this.#memory ??= this.#buffer.buffer;
    return Buffer.from(this.#memory, this.#buffer.byteOffset + this.#take(length), length);
  }

  /** uvarint length, then that many bytes, as a view. */
  bytes(): Buffer {
    return this.raw(this.uvarint());
  }

  /** uvarint length in bytes, then UTF-8. Invalid sequences become U+FFFD. */
  string(): string {
    const length = this.uvarint();
    const start = this.#take(length);
    return this.#buffer.toString('utf8', start, this.pos);
  }

  /** A {@link string} that is likely to be in a cache. */
  cachedString(cache: TextCache): string {
    const length = this.uvarint();
    const start = this.#take(length);
    return cache.text(this.#buffer, start, this.pos);
  }

  /** All that is left, as a view. */
  rest(): Buffer {
    return this.raw(this.end - this.pos);
  }

  #take(bytes: number): number {
    const start = this.pos;
    if (bytes > this.end - start) throw new RangeError(`${bytes} bytes wanted, ${this.end - start} left`);
    this.pos = start + bytes;
    return start;
  }
}

/** A copy in Buffer's pool, for what is soon gone. `Buffer.from` takes long to find out what it is given. */
export function copied(view: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafe(view.length);
  copy.set(view);
  return copy;
}

/** A copy outside Buffer's pool: a few bytes that live as long as a connection must not keep a slab of 8 KB alive. */
export function retained(view: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(view.length);
  copy.set(view);
  return copy;
}
