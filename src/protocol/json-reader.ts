/**
 * Reads JSON messages that carry raw payloads, in one pass: scalars become values, payloads views into the input.
 *
 * Conventions, those of Go's encoding/json because clients and backends were written against it: `null` leaves the zero
 * value, unknown keys are skipped, keys match without regard to case, the last of equal keys wins, a value of the wrong
 * type or an integer out of range is an error.
 */
import type { TextCache } from '../lib/text-cache.js';
import type { JsonFields } from './json-fields.js';
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  FALSE,
  isDigit,
  JsonScanner,
  NULL,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  TRUE,
} from './json-scanner.js';
import type { Payload } from './messages.js';

/** Levels of arrays and objects read one inside another; each takes a few frames of the call stack. */
export const MAX_JSON_READ_LEVELS = 256;

/** The maxima of 64 bits are rounded up to powers of two, being out of a double's reach. */
interface IntegerRange {
  readonly min: number;
  readonly max: number;
}

const UINT32: IntegerRange = { min: 0, max: 2 ** 32 - 1 };
const INT32: IntegerRange = { min: -(2 ** 31), max: 2 ** 31 - 1 };
const UINT64: IntegerRange = { min: 0, max: 2 ** 64 };
const INT64: IntegerRange = { min: -(2 ** 63), max: 2 ** 63 };

const MINUS = 0x2d;
/** Integers up to this long are exact as doubles, sign included. */
const EXACT_DIGITS = 15;

/** Every method reads one value at the current position. @throws JsonError if it is not of that kind. */
export class JsonReader extends JsonScanner {
  #levels = 0;
  /** Asked for once: native code has to be. */
  #memory: ArrayBufferLike | undefined;

  /** @returns undefined for null, else `target` with the known fields set. */
  object<T extends object>(target: T, fields: JsonFields<T>): T | undefined {
    if (!this.#enter(OPEN_OBJECT)) return undefined;
    if (!this.closes(CLOSE_OBJECT)) {
      let field = -1;
      do {
        field = this.#field(fields, field);
        if (field < 0) this.skip();
        else fields.read(field, target, this);
      } while (this.more(CLOSE_OBJECT));
    }
    this.#levels--;
    return target;
  }

  /** An object with free keys. @returns undefined for null. The result has no prototype, so any key is safe. */
  record<T>(read: (reader: JsonReader) => T): Record<string, T> | undefined {
    if (!this.#enter(OPEN_OBJECT)) return undefined;
    const record: Record<string, T> = Object.create(null);
    if (!this.closes(CLOSE_OBJECT)) {
      do {
        const key = this.#key();
        record[key] = read(this);
      } while (this.more(CLOSE_OBJECT));
    }
    this.#levels--;
    return record;
  }

  /** @returns undefined for null. */
  array<T>(read: (reader: JsonReader) => T): T[] | undefined {
    if (!this.#enter(OPEN_ARRAY)) return undefined;
    const items: T[] = [];
    if (!this.closes(CLOSE_ARRAY)) {
      do items.push(read(this));
      while (this.more(CLOSE_ARRAY));
    }
    this.#levels--;
    return items;
  }

  /** '' for null. Lone surrogates become U+FFFD. */
  string(): string {
    if (this.isNull()) return '';
    const start = this.pos;
    this.scanString();
    return this.#text(start);
  }

  /** The same of texts that come again and again. */
  cachedString(cache: TextCache): string {
    if (this.isNull()) return '';
    const start = this.pos;
    this.scanString();
    return this.escaped ? this.#text(start) : cache.text(this.bytes, start + 1, this.pos - 1);
  }

  /** false for null. */
  boolean(): boolean {
    if (this.isNull()) return false;
    const value = this.byte() === TRUE[0];
    this.literal(value ? TRUE : FALSE);
    return value;
  }

  /** Any number, as a double; 0 for null. */
  number(): number {
    if (this.isNull()) return 0;
    const start = this.pos;
    this.scanNumber();
    let value = 0;
    for (let i = start; i < this.pos; i++) {
      const byte = this.bytes[i]!;
      if (!isDigit(byte) || i - start >= EXACT_DIGITS) return Number(this.bytes.toString('latin1', start, this.pos));
      value = value * 10 + (byte - 0x30);
    }
    return value;
  }

  /** Whether the value to come is a string. */
  isString(): boolean {
    this.space();
    return this.byte() === QUOTE;
  }

  /** The integer methods return 0 for null. */
  uint32(): number {
    return this.#integer(UINT32);
  }

  int32(): number {
    return this.#integer(INT32);
  }

  /** Values above 2^53 lose precision. */
  uint64(): number {
    return this.#integer(UINT64);
  }

  /** Values beyond ±2^53 lose precision. */
  int64(): number {
    return this.#integer(INT64);
  }

  /** Any value exactly as it stands in the input (`null` included), as a view. */
  raw(): Buffer {
    this.space();
    const start = this.pos;
    this.skip();
    return this.bytes.subarray(start, this.pos);
  }

  /** {@link raw} with what can be said about it. Of many in one message each view takes a third of a `subarray`. */
  payload(): Payload {
    this.space();
    const { severalLines } = this;
    this.severalLines = false;
    const start = this.pos;
    this.skip();
    const isJsonLine = !this.severalLines;
    this.severalLines ||= severalLines;
    this.#memory ??= this.bytes.buffer;
    return { bytes: new Uint8Array(this.#memory, this.bytes.byteOffset + start, this.pos - start), isJsonLine };
  }

  /** Consume `null` if that is the value. */
  isNull(): boolean {
    this.space();
    if (this.byte() !== NULL[0]) return false;
    this.literal(NULL);
    return true;
  }

  #enter(opening: number): boolean {
    this.space();
    if (this.byte() !== opening) {
      if (this.isNull()) return false;
      throw this.error(opening === OPEN_OBJECT ? 'object expected' : 'array expected');
    }
    if (++this.#levels > MAX_JSON_READ_LEVELS) throw this.error('nested too deeply');
    this.pos++;
    return true;
  }

  #field<T extends object>(fields: JsonFields<T>, previous: number): number {
    this.space();
    const start = this.pos;
    let field = fields.guess(this.bytes, start, this.limit, previous);
    if (field >= 0) {
      this.pos = start + fields.quotedBytes(field);
    } else {
      this.scanString();
      const key = this.escaped ? Buffer.from(this.#text(start)) : undefined;
      field = key ? fields.find(key, 0, key.length) : fields.find(this.bytes, start + 1, this.pos - 1);
      fields.learn(previous, field);
    }
    this.colon();
    return field;
  }

  #key(): string {
    this.space();
    const start = this.pos;
    this.scanString();
    const key = this.#text(start);
    this.colon();
    return key;
  }

  /** The string from its opening quote at `start` to the current position. */
  #text(start: number): string {
    if (this.escaped) return (JSON.parse(this.bytes.toString('utf8', start, this.pos)) as string).toWellFormed();
    return this.bytes.toString(this.seen < 0x80 ? 'latin1' : 'utf8', start + 1, this.pos - 1);
  }

  #integer(range: IntegerRange): number {
    if (this.isNull()) return 0;
    const start = this.pos;
    this.scanNumber();
    let value = 0;
    for (let i = start; i < this.pos; i++) {
      const byte = this.bytes[i]!;
      if (isDigit(byte)) value = value * 10 + (byte - 0x30);
      else if (i > start || byte !== MINUS) throw this.error('integer expected', start);
    }
    if (this.bytes[start] === MINUS) value = -value;
    if (this.pos - start > EXACT_DIGITS) value = this.#longInteger(range, start);
    else if (value < range.min || value > range.max) throw this.error('integer out of range', start);
    return value === 0 ? 0 : value;
  }

  /** More digits than a double tells apart: the range is checked before precision is lost. */
  #longInteger({ min, max }: IntegerRange, start: number): number {
    const exact = BigInt(this.bytes.toString('latin1', start, this.pos));
    if (exact < BigInt(min) || exact > BigInt(max) - (max > Number.MAX_SAFE_INTEGER ? 1n : 0n)) {
      throw this.error('integer out of range', start);
    }
    return Number(exact);
  }
}

/**
 * A whole document that is one object, in [start, end), into `target`; the document `null` leaves it as it is.
 * @throws JsonError
 */
export function readObject<T extends object>(
  bytes: Uint8Array,
  target: T,
  fields: JsonFields<T>,
  start = 0,
  end = bytes.length,
): T {
  const reader = new JsonReader(bytes, start, end);
  reader.object(target, fields);
  reader.end();
  return target;
}
