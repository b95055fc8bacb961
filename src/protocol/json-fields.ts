/** Tables of what is read from objects. */
import type { JsonReader } from './json-reader.js';

/**
 * What to read from one kind of object: property of T to the reader of its value. The key on the wire is the property in
 * snake_case. Keys are compared as bytes, so that reading a known one allocates nothing, and first with the one that came in
 * this place the last time: whoever writes messages does so in the same order.
 */
export class JsonFields<T extends object> {
  readonly #keys: Buffer[];
  /** Length and first character of each key, to tell most of them apart at a glance. */
  readonly #hints: number[];
  /** Each as it stands in a message. */
  readonly #quoted: Buffer[];
  /** By field, -1 for the start and for unknown ones: the field that came after it the last time. */
  readonly #following: number[];
  readonly #properties: (keyof T)[];
  readonly #reads: ((reader: JsonReader) => unknown)[];

  constructor(table: { readonly [K in keyof T]?: (reader: JsonReader) => T[K] }) {
    this.#properties = Object.keys(table) as (keyof T)[];
    this.#keys = this.#properties.map((name) => Buffer.from(wireName(String(name))));
    this.#hints = this.#keys.map((key) => hint(key, 0, key.length));
    this.#quoted = this.#keys.map((key) => Buffer.from(`"${key}"`));
    this.#following = new Array(this.#keys.length + 1).fill(-1);
    this.#reads = Object.values(table);
  }

  /** The field that came after `previous` the last time, if it stands at `at`, before `end`, again; else -1. */
  guess(bytes: Uint8Array, at: number, end: number, previous: number): number {
    const field = this.#following[previous + 1]!;
    if (field < 0) return -1;
    const key = this.#quoted[field]!;
    if (at + key.length > end) return -1;
    for (let i = 0; i < key.length; i++) if (bytes[at + i] !== key[i]) return -1;
    return field;
  }

  /** @param field  came after `previous`. */
  learn(previous: number, field: number): void {
    this.#following[previous + 1] = field;
  }

  /** Length of a key as it stands in a message. */
  quotedBytes(field: number): number {
    return this.#quoted[field]!.length;
  }

  /** Which field the key in bytes [start, end) is, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const hints = this.#hints;
    const wanted = hint(bytes, start, end);
    for (let i = 0; i < hints.length; i++) {
      if (hints[i] === wanted && equalsIgnoringCase(this.#keys[i]!, bytes, start)) return i;
    }
    return -1;
  }

  read(field: number, target: T, reader: JsonReader): void {
    target[this.#properties[field]!] = this.value(field, reader) as T[keyof T];
  }

  protected value(field: number, reader: JsonReader): unknown {
    return this.#reads[field]!(reader);
  }
}

/** Of an object of which one field counts. */
export class Chosen<V> {
  /** Its place in the table; -1 for none. */
  field = -1;
  value: V | undefined = undefined;
  /** By place, where there is more than one. */
  all: (V | undefined)[] | undefined = undefined;
}

/** Fields of which the first one counts, in the order of the table, that is there and not undefined. */
export class JsonChoice<V> extends JsonFields<Chosen<V>> {
  constructor(table: Readonly<Record<string, (reader: JsonReader) => V | undefined>>) {
    super(table as object);
  }

  override read(field: number, chosen: Chosen<V>, reader: JsonReader): void {
    const value = this.value(field, reader) as V | undefined;
    if (chosen.field >= 0) {
      chosen.all ??= [];
      chosen.all[chosen.field] = chosen.value;
      chosen.all[field] = value;
      chosen.field = chosen.all.findIndex((one) => one !== undefined);
      chosen.value = chosen.all[chosen.field];
    } else if (value !== undefined) {
      chosen.field = field;
      chosen.value = value;
    }
  }
}

/** `skipHistory` is `skip_history` on the wire. */
export const wireName = (property: string): string => property.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

function hint(bytes: Uint8Array, start: number, end: number): number {
  return ((end - start) << 8) | (bytes[start]! | 0x20);
}

/** @param bytes  as long as `name`, from `start` on. */
function equalsIgnoringCase(name: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < name.length; i++) {
    const byte = bytes[start + i]!;
    if (byte !== name[i] && !(byte >= 0x41 && byte <= 0x5a && byte + 0x20 === name[i])) return false;
  }
  return true;
}
