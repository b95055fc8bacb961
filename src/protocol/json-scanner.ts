/**
 * A strict JSON (RFC 8259) scanner over bytes: validates, and tells where values begin and end.
 *
 * Why not JSON.parse: payloads must reach subscribers byte for byte (big numbers, whitespace, key order), so their
 * ranges in the input are needed, and JSON.parse does not give them. Measured on a 238 B publish command: read in one
 * pass 1.4 µs, JSON.parse alone 1.5 µs, with a scan for the payload's range after it 2.5 µs.
 */
import { isUtf8 } from 'node:buffer';
import { asBuffer } from '../lib/bytes.js';

/** Levels of arrays and objects inside one skipped value, as in Go's encoding/json. */
export const MAX_JSON_DEPTH_LEVELS = 10_000;

export class JsonError extends Error {
  override readonly name = 'JsonError';
}

export const OPEN_ARRAY = 0x5b;
export const CLOSE_ARRAY = 0x5d;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;

const NEWLINE = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;

export const TRUE = Buffer.from('true');
export const FALSE = Buffer.from('false');
export const NULL = Buffer.from('null');

/** Of bytes in strings: what ends or interrupts plain text, and what is not ASCII. */
const SPECIAL = 1;
const NOT_ASCII = 0x80;
const KINDS = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < SPACE || byte === QUOTE || byte === BACKSLASH ? SPECIAL : byte & NOT_ASCII,
);

/** What closes each open level while a value is skipped. Shared: skipping calls nothing back. */
const closers = new Uint8Array(MAX_JSON_DEPTH_LEVELS);

export const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

export class JsonScanner {
  protected readonly bytes: Buffer;
  protected pos = 0;
  /** Whether the string scanned last has escapes. */
  protected escaped = false;
  /** All string bytes so far or-ed together: below 0x80 there was only ASCII. */
  protected seen = 0;

  /** Whether there is a line feed outside of strings, where alone one may be. */
  protected severalLines = false;
  readonly #start: number;
  protected readonly limit: number;

  /** Of [start, end). */
  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = asBuffer(bytes);
    this.pos = start;
    this.#start = start;
    this.limit = end;
  }

  /** Validate and pass over one value of any kind. */
  skip(): void {
    let depth = 0;
    for (;;) {
      depth = this.#open(depth);
      // After a value: close what ends here, until a comma announces the next value.
      for (;;) {
        if (depth === 0) return;
        const closer = closers[depth - 1]!;
        if (this.more(closer)) {
          if (closer === CLOSE_OBJECT) this.#skipKey();
          break;
        }
        depth--;
      }
    }
  }

  /** Nothing but whitespace may follow, and all text must have been UTF-8. */
  end(): void {
    this.space();
    if (this.pos < this.limit) throw this.error('unexpected data after the value');
    if (this.seen >= NOT_ASCII && !isUtf8(this.bytes.subarray(this.#start, this.limit)))
      throw this.error('invalid UTF-8', this.#start);
  }

  /** Pass over containers' openings down to the first scalar or empty container, and over that. @returns the depth. */
  #open(from: number): number {
    let depth = from;
    for (;;) {
      this.space();
      const byte = this.byte();
      if (byte !== OPEN_OBJECT && byte !== OPEN_ARRAY) {
        this.#skipScalar(byte);
        return depth;
      }
      this.pos++;
      const closer = byte === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY;
      if (this.closes(closer)) return depth;
      if (depth === MAX_JSON_DEPTH_LEVELS) throw this.error('nested too deeply');
      closers[depth++] = closer;
      if (closer === CLOSE_OBJECT) this.#skipKey();
    }
  }

  #skipScalar(byte: number | undefined): void {
    if (byte === QUOTE) this.scanString();
    else if (byte === 0x74) this.literal(TRUE);
    else if (byte === 0x66) this.literal(FALSE);
    else if (byte === 0x6e) this.literal(NULL);
    else this.scanNumber();
  }

  #skipKey(): void {
    this.space();
    this.scanString();
    this.colon();
  }

  /** Consume `closer` if the container just opened is empty. */
  protected closes(closer: number): boolean {
    this.space();
    if (this.byte() !== closer) return false;
    this.pos++;
    return true;
  }

  /** After an element: true past a comma, false past `closer`. */
  protected more(closer: number): boolean {
    this.space();
    const byte = this.byte();
    if (byte !== COMMA && byte !== closer) throw this.error('comma or end of container expected');
    this.pos++;
    return byte === COMMA;
  }

  protected colon(): void {
    this.space();
    if (this.byte() !== COLON) throw this.error('colon expected');
    this.pos++;
  }

  protected scanString(): void {
    const bytes = this.bytes;
    const end = this.limit;
    if (this.byte() !== QUOTE) throw this.error('string expected');
    let pos = this.pos + 1;
    this.escaped = false;
    let seen = 0;
    for (; ; pos++) {
      // Eight at a time as long as they are plain: less than half the time for all but the shortest.
      for (; pos + 8 <= end; pos += 8) {
        const kinds = kindsOfEight(bytes, pos);
        if ((kinds & SPECIAL) !== 0) break;
        seen |= kinds;
      }
      if (pos >= end) throw this.error('string without an end', end);
      const byte = bytes[pos]!;
      if (byte === QUOTE) {
        this.pos = pos + 1;
        this.seen |= seen;
        return;
      }
      if (byte === BACKSLASH) {
        this.escaped = true;
        pos = this.#escape(pos + 1);
      } else if (byte < SPACE) {
        throw this.error('control character in a string', pos);
      }
      seen |= byte;
    }
  }

  /** @param at  position after the backslash. @returns the last position of the escape. */
  #escape(at: number): number {
    if (at >= this.limit) throw this.error('string without an end', at);
    switch (this.bytes[at]) {
      case QUOTE:
      case BACKSLASH:
      case 0x2f: // '/'
      case 0x62: // 'b'
      case 0x66: // 'f'
      case 0x6e: // 'n'
      case 0x72: // 'r'
      case 0x74: // 't'
        return at;
      case 0x75: // 'u'
        for (let i = at + 1; i <= at + 4; i++) {
          const byte = i < this.limit ? this.bytes[i]! : 0;
          const letter = byte | 0x20;
          if (!isDigit(byte) && !(letter >= 0x61 && letter <= 0x66)) throw this.error('invalid \\u escape', i);
        }
        return at + 4;
      default:
        throw this.error('invalid escape', at);
    }
  }

  protected scanNumber(): void {
    if (this.byte() === 0x2d) this.pos++;
    if (this.byte() === 0x30) this.pos++;
    else this.#digits();
    if (this.byte() === 0x2e) {
      this.pos++;
      this.#digits();
    }
    const exponent = this.byte();
    if (exponent === 0x65 || exponent === 0x45) {
      this.pos++;
      const sign = this.byte();
      if (sign === 0x2b || sign === 0x2d) this.pos++;
      this.#digits();
    }
  }

  /** At least one digit. */
  #digits(): void {
    if (!isDigit(this.byte())) throw this.error('unexpected character');
    do this.pos++;
    while (isDigit(this.byte()));
  }

  protected literal(word: Buffer): void {
    for (let i = 0; i < word.length; i++, this.pos++) {
      if (this.byte() !== word[i]) throw this.error('unexpected character');
    }
  }

  protected space(): void {
    const bytes = this.bytes;
    let pos = this.pos;
    for (; pos < this.limit; pos++) {
      const byte = bytes[pos]!;
      if (byte > SPACE || (byte !== SPACE && byte !== NEWLINE && byte !== 0x0d && byte !== 0x09)) break;
      if (byte === NEWLINE) this.severalLines = true;
    }
    this.pos = pos;
  }

  /** The current byte; undefined at the end. */
  protected byte(): number | undefined {
    return this.pos < this.limit ? this.bytes[this.pos] : undefined;
  }

  protected error(what: string, at = this.pos): JsonError {
    return new JsonError(at >= this.limit ? 'unexpected end of JSON' : `${what} at byte ${at}`);
  }
}

/** The kinds of eight bytes or-ed together. */
const kindsOfEight = (bytes: Uint8Array, at: number): number =>
  KINDS[bytes[at]!]! |
  KINDS[bytes[at + 1]!]! |
  KINDS[bytes[at + 2]!]! |
  KINDS[bytes[at + 3]!]! |
  KINDS[bytes[at + 4]!]! |
  KINDS[bytes[at + 5]!]! |
  KINDS[bytes[at + 6]!]! |
  KINDS[bytes[at + 7]!]!;

/** Tells what is JSON. */
class JsonTest extends JsonScanner {
  /** To the end. @throws JsonError */
  isOneLine(): boolean {
    this.skip();
    this.end();
    return !this.severalLines;
  }
}

/** Whether `bytes` is exactly one JSON value in UTF-8, whitespace around it allowed. */
export const isJson = (bytes: Uint8Array): boolean => testJson(bytes, 0, bytes.length) !== undefined;

/** Whether [start, end) is that, and without a line feed. */
export const isJsonLine = (bytes: Uint8Array, start: number, end: number): boolean =>
  testJson(bytes, start, end) === true;

/** @returns whether it is on one line; undefined where it is not JSON. */
function testJson(bytes: Uint8Array, start: number, end: number): boolean | undefined {
  try {
    return new JsonTest(bytes, start, end).isOneLine();
  } catch (error) {
    if (error instanceof JsonError) return undefined;
    throw error;
  }
}
