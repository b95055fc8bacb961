/** Writes Protobuf's wire format, in one pass over a growing buffer. */
import { ByteWriter, putUvarint, uvarintBytes } from '../lib/bytes.js';
import type { Bytes } from './messages.js';

const VARINT = 0;
const LENGTH = 2;

/** Writes messages field by field. Fields that are zero or empty are left out. */
export class ProtoWriter extends ByteWriter {
  textField(field: number, value: string | undefined): void {
    if (!value) return;
    this.#tag(field, LENGTH);
    this.string(value);
  }

  bytesField(field: number, value: Bytes | undefined): void {
    if (!value?.length) return;
    this.#tag(field, LENGTH);
    this.bytes(value);
  }

  /** @param value  a non-negative integer. */
  numberField(field: number, value: number | undefined): void {
    if (!value) return;
    this.#tag(field, VARINT);
    this.uvarint(value);
  }

  /** @param value  an integer of either sign; negative ones take ten bytes (`int64`). */
  int64Field(field: number, value: number): void {
    if (value === 0) return;
    this.#tag(field, VARINT);
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest >= 0x80n; rest >>= 7n) this.u8(Number(rest & 0x7fn) | 0x80);
    this.u8(Number(rest));
  }

  flagField(field: number, value: boolean | undefined): void {
    if (!value) return;
    this.#tag(field, VARINT);
    this.u8(1);
  }

  /** What goes before the content of a length-delimited field. @param length  of the content, bytes. */
  header(field: number, length: number): void {
    this.#tag(field, LENGTH);
    this.uvarint(length);
  }

  /** A message, also an empty one. */
  message<T>(field: number, write: (w: ProtoWriter, value: T) => void, value: T): void {
    const start = this.open(field);
    write(this, value);
    this.close(start);
  }

  /** Keys and values are written also when they are empty. */
  textMap(field: number, map: Readonly<Record<string, string>>): void {
    for (const key of Object.keys(map)) {
      const start = this.#openEntry(field, key);
      this.#tag(2, LENGTH);
      this.string(map[key]!);
      this.close(start);
    }
  }

  messageMap<T>(field: number, map: Readonly<Record<string, T>>, write: (w: ProtoWriter, value: T) => void): void {
    for (const key of Object.keys(map)) {
      const start = this.#openEntry(field, key);
      this.message(2, write, map[key]!);
      this.close(start);
    }
  }

  #openEntry(field: number, key: string): number {
    const start = this.open(field);
    this.#tag(1, LENGTH);
    this.string(key);
    return start;
  }

  /** Begin a message. @returns what {@link close} needs. */
  open(field: number): number {
    this.#tag(field, LENGTH);
    return this.begin();
  }

  /** Begin a message without a tag. @returns what {@link close} needs. */
  begin(): number {
    this.u8(0);
    return this.length;
  }

  /** Its length is known now; one byte was left for it, so a longer one pushes the message back. */
  close(start: number): void {
    const length = this.length - start;
    const extra = uvarintBytes(length) - 1;
    if (extra > 0) {
      this.ensure(extra);
      this.buffer.copyWithin(start + extra, start, this.length);
      this.length += extra;
    }
    putUvarint(this.buffer, start - 1, length);
  }

  #tag(field: number, wire: number): void {
    this.uvarint((field << 3) | wire);
  }
}
