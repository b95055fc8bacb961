/**
 * A strict JSON (RFC 8259) scanner over bytes: validates, and tells where values begin and end.
 *
 * Why not JSON.parse: payloads must reach subscribers byte for byte (big numbers, whitespace, key order), so their
 * ranges in the input are needed, and JSON.parse does not give them. Measured on a 156 B publish command: checked and
 * passed over in 0.26 µs; JSON.parse takes 0.7 µs.
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
export const QUOTE = 0x22;
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

/** In place of a byte after the last one. Nothing that may follow there, JSON has it nowhere outside of strings. */
export const NONE = 0;

export const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;

/**
 * Methods that take a position and return one work on locals: what is looked at for each byte must not be in memory.
 * Positions before `pos` are done with.
 */
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
    const { bytes } = this;
    let at = this.pos;
    let depth = 0;
    for (;;) {
      at = this.#token(at);
      const byte = bytes[at]!;
      if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        const closer = byte === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY;
        at = this.#token(at + 1);
        if (bytes[at] !== closer) {
          if (depth === MAX_JSON_DEPTH_LEVELS) throw this.error('nested too deeply', at);
          closers[depth++] = closer;
          if (closer === CLOSE_OBJECT) at = this.#afterKey(at);
          continue;
        }
        at++;
      } else if (byte === QUOTE) at = this.#afterString(at);
      else at = this.#afterScalar(at, byte);
      // After a value: close what ends here, until a comma announces the next value.
      for (;;) {
        if (depth === 0) {
          this.pos = at;
          return;
        }
        at = this.#token(at);
        const closer = closers[depth - 1]!;
        const follows = bytes[at]!;
        if (follows === COMMA) {
          at = closer === CLOSE_OBJECT ? this.#afterKey(at + 1) : at + 1;
          break;
        }
        if (follows !== closer) throw this.error('comma or end of container expected', at);
        at++;
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
    this.pos = this.#afterColon(this.pos);
  }

  protected scanString(): void {
    if (this.byte() !== QUOTE) throw this.error('string expected');
    this.pos = this.#afterString(this.pos);
  }

  protected scanNumber(): void {
    this.pos = this.#afterNumber(this.pos);
  }

  protected literal(word: Buffer): void {
    this.pos = this.#afterLiteral(this.pos, word);
  }

  protected space(): void {
    this.pos = this.#afterSpace(this.pos);
  }

  /** The current byte; {@link NONE} at the end. */
  protected byte(): number {
    return this.pos < this.limit ? this.bytes[this.pos]! : NONE;
  }

  protected error(what: string, at = this.pos): JsonError {
    return new JsonError(at >= this.limit ? 'unexpected end of JSON' : `${what} at byte ${at}`);
  }

  /** @returns the first position that is not whitespace. */
  #afterSpace(from: number): number {
    const { bytes, limit } = this;
    let at = from;
    for (; at < limit; at++) {
      const byte = bytes[at]!;
      if (byte > SPACE || (byte !== SPACE && byte !== NEWLINE && byte !== 0x0d && byte !== 0x09)) break;
      if (byte === NEWLINE) this.severalLines = true;
    }
    return at;
  }

  /** The same where something must follow. */
  #token(from: number): number {
    if (from < this.limit && this.bytes[from]! > SPACE) return from;
    const at = this.#afterSpace(from);
    if (at >= this.limit) throw this.error('', at);
    return at;
  }

  #afterColon(from: number): number {
    const at = this.#token(from);
    if (this.bytes[at] !== COLON) throw this.error('colon expected', at);
    return at + 1;
  }

  /** A key and its colon. */
  #afterKey(from: number): number {
    const at = this.#token(from);
    if (this.bytes[at] !== QUOTE) throw this.error('string expected', at);
    return this.#afterColon(this.#afterString(at));
  }

  /** @param from  position of the opening quote. */
  #afterString(from: number): number {
    const { bytes, limit } = this;
    let at = from + 1;
    let seen = 0;
    this.escaped = false;
    for (;;) {
      // Eight at a time as long as they are plain: less than half the time for all but the shortest.
      for (; at + 8 <= limit; at += 8) {
        const kinds = kindsOfEight(bytes, at);
        if ((kinds & SPECIAL) !== 0) break;
        seen |= kinds;
      }
      for (; at < limit; at++) {
        const kind = KINDS[bytes[at]!]!;
        if (kind === SPECIAL) break;
        seen |= kind;
      }
      if (at >= limit) throw this.error('string without an end', limit);
      const byte = bytes[at]!;
      if (byte === QUOTE) break;
      if (byte !== BACKSLASH) throw this.error('control character in a string', at);
      this.escaped = true;
      at = this.#afterEscape(at + 1);
    }
    this.seen |= seen;
    return at + 1;
  }

  /** @param from  position after the backslash. */
  #afterEscape(from: number): number {
    if (from >= this.limit) throw this.error('string without an end', from);
    switch (this.bytes[from]) {
      case QUOTE:
      case BACKSLASH:
      case 0x2f: // '/'
      case 0x62: // 'b'
      case 0x66: // 'f'
      case 0x6e: // 'n'
      case 0x72: // 'r'
      case 0x74: // 't'
        return from + 1;
      case 0x75: // 'u'
        for (let i = from + 1; i <= from + 4; i++) {
          const byte = i < this.limit ? this.bytes[i]! : NONE;
          const letter = byte | 0x20;
          if (!isDigit(byte) && !(letter >= 0x61 && letter <= 0x66)) throw this.error('invalid \\u escape', i);
        }
        return from + 5;
      default:
        throw this.error('invalid escape', from);
    }
  }

  /** @param byte  the first one: not of a string, an object or an array. */
  #afterScalar(from: number, byte: number): number {
    if (byte === 0x74) return this.#afterLiteral(from, TRUE);
    if (byte === 0x66) return this.#afterLiteral(from, FALSE);
    if (byte === 0x6e) return this.#afterLiteral(from, NULL);
    return this.#afterNumber(from);
  }

  #afterLiteral(from: number, word: Buffer): number {
    for (let i = 0; i < word.length; i++) {
      if (this.#at(from + i) !== word[i]) throw this.error('unexpected character', from + i);
    }
    return from + word.length;
  }

  #afterNumber(from: number): number {
    let at = this.#at(from) === 0x2d ? from + 1 : from;
    at = this.#at(at) === 0x30 ? at + 1 : this.#afterDigits(at);
    if (this.#at(at) === 0x2e) at = this.#afterDigits(at + 1);
    if ((this.#at(at) | 0x20) === 0x65) {
      const sign = this.#at(at + 1);
      at = this.#afterDigits(sign === 0x2b || sign === 0x2d ? at + 2 : at + 1);
    }
    return at;
  }

  /** At least one digit. */
  #afterDigits(from: number): number {
    const { bytes, limit } = this;
    let at = from;
    while (at < limit && isDigit(bytes[at]!)) at++;
    if (at === from) throw this.error('unexpected character', at);
    return at;
  }

  #at(at: number): number {
    return at < this.limit ? this.bytes[at]! : NONE;
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
