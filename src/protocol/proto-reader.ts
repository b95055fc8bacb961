/**
 * Reads Protobuf's wire format, as far as the client protocol uses it. Messages are tables of fields, as in json-reader.ts.
 *
 * Strictness is Centrifugo's decoder's: a known field of another wire type, field 0 and a stray end of group are errors,
 * unknown fields are skipped, repeated singular messages merge. Only text that is not UTF-8 is refused here and not
 * there, because strings could not hold it.
 */
import { isUtf8 } from 'node:buffer';
import { asBuffer } from '../lib/bytes.js';
import type { Bytes } from './messages.js';

/** Levels of messages inside messages. */
export const MAX_PROTO_READ_LEVELS = 256;

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const GROUP = 3;
const END_GROUP = 4;
const FIXED32 = 5;

const TWO_POW_32 = 0x1_0000_0000;

export class ProtoError extends Error {
  override readonly name = 'ProtoError';
}

/** Reads a field's value. `old` is what the target holds: repeated fields append to it, messages merge into it. */
type Read<V> = (reader: ProtoReader, old: V) => V;

/** What to read from one kind of message: property of T to field number and reader. */
export type ProtoTable<T extends object> = {
  readonly [K in keyof T]?: readonly [field: number, read: Read<T[K]>];
};

/** A {@link ProtoTable} by field number. */
export class ProtoFields<T extends object> {
  readonly #properties: (keyof T)[] = [];
  readonly #reads: Read<unknown>[] = [];

  constructor(table: ProtoTable<T>) {
    for (const [property, entry] of Object.entries(table) as [keyof T, [number, Read<unknown>]][]) {
      this.#properties[entry[0]] = property;
      this.#reads[entry[0]] = entry[1];
    }
  }

  has(field: number): boolean {
    return this.#reads[field] !== undefined;
  }

  read(field: number, target: T, reader: ProtoReader): void {
    const property = this.#properties[field]!;
    target[property] = this.#reads[field]!(reader, target[property]) as T[keyof T];
  }
}

interface MapEntry<V> {
  key: string;
  value: V;
}

/** The entries of a map from strings to what `read` reads. */
export function mapFields<V>(read: Read<V>): ProtoFields<MapEntry<V>> {
  return new ProtoFields<MapEntry<V>>({ key: [1, (r) => r.string()], value: [2, read] });
}

/** Every method reads the value of the field at hand. @throws ProtoError if it is malformed or of another wire type. */
export class ProtoReader {
  readonly #bytes: Buffer;
  #pos: number;
  #end: number;
  #wire = LENGTH;
  #levels = 0;
  /** The varint read last. */
  #low = 0;
  #high = 0;

  constructor(bytes: Bytes, start = 0) {
    this.#bytes = asBuffer(bytes);
    this.#pos = start;
    this.#end = bytes.length;
  }

  get done(): boolean {
    return this.#pos >= this.#end;
  }

  /** All fields up to the end of the input. */
  fields<T extends object>(target: T, fields: ProtoFields<T>): T {
    while (this.#pos < this.#end) {
      this.#varint();
      const field = this.#low >>> 3;
      if (field === 0 || this.#high !== 0) throw new ProtoError('illegal field number');
      this.#wire = this.#low & 7;
      if (fields.has(field)) fields.read(field, target, this);
      else this.#skip();
    }
    return target;
  }

  /** A message, its length in front. */
  message<T extends object>(target: T, fields: ProtoFields<T>): T {
    const outer = this.#end;
    this.#end = this.#length();
    if (++this.#levels > MAX_PROTO_READ_LEVELS) throw new ProtoError('nested too deeply');
    this.fields(target, fields);
    this.#levels--;
    this.#end = outer;
    this.#wire = LENGTH;
    return target;
  }

  /**
   * One entry of a map, added to `old`.
   * @param value  that of an entry which gives none.
   */
  mapEntry<V>(old: Record<string, V> | undefined, fields: ProtoFields<MapEntry<V>>, value: V): Record<string, V> {
    const map: Record<string, V> = old ?? Object.create(null);
    const entry = this.message({ key: '', value }, fields);
    map[entry.key] = entry.value;
    return map;
  }

  bytes(): Buffer {
    const end = this.#length();
    const value = this.#bytes.subarray(this.#pos, end);
    this.#pos = end;
    return value;
  }

  string(): string {
    const end = this.#length();
    const start = this.#pos;
    const value = this.#bytes.toString('utf8', start, end);
    this.#pos = end;
    if (value.includes('\ufffd') && !isUtf8(this.#bytes.subarray(start, end))) throw new ProtoError('invalid UTF-8');
    return value;
  }

  boolean(): boolean {
    this.#scalar();
    return (this.#low | this.#high) !== 0;
  }

  uint32(): number {
    this.#scalar();
    return this.#low >>> 0;
  }

  int32(): number {
    this.#scalar();
    return this.#low | 0;
  }

  /** Values above 2^53 lose precision. */
  uint64(): number {
    this.#scalar();
    return (this.#high >>> 0) * TWO_POW_32 + (this.#low >>> 0);
  }

  /** Values beyond ±2^53 lose precision. */
  int64(): number {
    this.#scalar();
    return (this.#high | 0) * TWO_POW_32 + (this.#low >>> 0);
  }

  #scalar(): void {
    if (this.#wire !== VARINT) throw new ProtoError('wrong wire type');
    this.#varint();
  }

  /** @returns where the value at hand ends. */
  #length(): number {
    if (this.#wire !== LENGTH) throw new ProtoError('wrong wire type');
    this.#varint();
    if (this.#high !== 0 || this.#low >>> 0 > this.#end - this.#pos) throw new ProtoError('truncated');
    return this.#pos + this.#low;
  }

  #varint(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#pos >= this.#end) throw new ProtoError('truncated');
      const byte = this.#bytes[this.#pos++]!;
      const bits = byte & 0x7f;
      if (shift < 28) {
        low |= bits << shift;
      } else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else {
        high |= bits << (shift - 32);
      }
      if (byte < 0x80) {
        this.#low = low;
        this.#high = high;
        return;
      }
    }
    throw new ProtoError('varint is longer than ten bytes');
  }

  #skip(): void {
    let groups = 0;
    for (;;) {
      if (this.#wire === GROUP) groups++;
      else if (this.#wire === END_GROUP) groups--;
      else this.#skipValue();
      if (groups === 0) return;
      if (groups < 0) throw new ProtoError('unexpected end of group');
      this.#varint();
      this.#wire = this.#low & 7;
    }
  }

  #skipValue(): void {
    if (this.#wire === VARINT) this.#varint();
    else if (this.#wire === LENGTH) this.#pos = this.#length();
    else if (this.#wire === FIXED64) this.#advance(8);
    else if (this.#wire === FIXED32) this.#advance(4);
    else throw new ProtoError('illegal wire type');
  }

  #advance(bytes: number): void {
    if (bytes > this.#end - this.#pos) throw new ProtoError('truncated');
    this.#pos += bytes;
  }
}
