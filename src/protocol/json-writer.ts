/**
 * Writes JSON messages as Centrifugo does, byte for byte: zero and empty fields are left out unless said otherwise, `<`,
 * `>`, `&`, U+2028 and U+2029 are escaped, payloads are embedded raw.
 */

import { isUtf8 } from 'node:buffer';
import { asBuffer, ByteWriter } from '../lib/bytes.js';
import { charCode } from '../lib/char-code.js';
import { InappropriatePayload } from './codec.js';
import { isJson } from './is-json.js';
import type { Bytes } from './messages.js';

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;

const HEX = Buffer.from('0123456789abcdef');

/** Input bytes escaped between two checks of the room left. */
const ESCAPE_STEP_BYTES = 4096;
const MAX_ESCAPE_BYTES = 6;

/** Per ASCII character: AS_IS, AS_CODE (\u00XX), else the letter after the backslash. */
const ESCAPES = new Uint8Array(128);
const AS_IS = 0;
const AS_CODE = 1;
ESCAPES.fill(AS_CODE, 0, 0x20);
for (const char of '<>&') ESCAPES[char.charCodeAt(0)] = AS_CODE;
for (const char of '"\\') ESCAPES[char.charCodeAt(0)] = char.charCodeAt(0);
for (const [char, letter] of ['\nn', '\rr', '\tt']) ESCAPES[char!.charCodeAt(0)] = letter!.charCodeAt(0);

/** Payloads are embedded on one line, because a newline separates messages: whitespace that JSON does not need. */
export function singleLine(json: Bytes): Bytes {
  return asBuffer(json).includes(NEWLINE) ? json.filter((byte) => byte !== NEWLINE) : json;
}

export class JsonWriter extends ByteWriter {
  open(): void {
    this.u8(OPEN_OBJECT);
  }

  close(): void {
    this.u8(0x7d);
  }

  /** The comma before an element, unless it is the first: nothing but an opening ends in a bracket. */
  comma(): void {
    const last = this.buffer[this.length - 1];
    if (last !== OPEN_OBJECT && last !== OPEN_ARRAY) this.u8(COMMA);
  }

  /** @param name  a literal without anything to escape. */
  key(name: string): void {
    const chars = name.length;
    this.ensure(chars + 4);
    this.comma();
    const { buffer } = this;
    let at = this.length;
    buffer[at++] = QUOTE;
    for (let i = 0; i < chars; i++) buffer[at++] = charCode(name, i);
    buffer[at++] = QUOTE;
    buffer[at++] = COLON;
    this.length = at;
  }

  /** A key that is somebody's text. */
  textKey(name: string): void {
    this.comma();
    this.text(name);
    this.ascii(':');
  }

  textField(name: string, value: string | undefined): void {
    if (!value) return;
    this.key(name);
    this.text(value);
  }

  numberField(name: string, value: number | undefined): void {
    if (!value) return;
    this.key(name);
    this.digits(value);
  }

  flagField(name: string, value: boolean | undefined): void {
    if (!value) return;
    this.key(name);
    this.ascii('true');
  }

  /**
   * @param known  `payload` is known to be JSON on one line.
   * @throws InappropriatePayload if it is not JSON.
   */
  payloadField(name: string, payload: Bytes | undefined, known = false): void {
    if (!payload?.length) return;
    if (!known && !isJson(payload)) throw new InappropriatePayload(`${name} is not JSON`);
    this.key(name);
    this.raw(known ? payload : singleLine(payload));
  }

  /** @param value  a non-negative integer below 2^64, exact up to 2^53. */
  digits(value: number): void {
    if (value > 0xffff_ffff) {
      this.ascii(String(value));
      return;
    }
    this.ensure(10);
    let end = this.length;
    for (let rest = value; ; rest = (rest / 10) >>> 0) {
      end++;
      if (rest < 10) break;
    }
    this.length = end;
    for (let rest = value; ; rest = (rest / 10) >>> 0) {
      this.buffer[--end] = 0x30 + (rest % 10);
      if (rest < 10) return;
    }
  }

  /** A string value. Lone surrogates become U+FFFD. */
  text(value: string): void {
    const chars = value.length;
    this.ensure(chars + 2);
    let at = this.length;
    this.buffer[at++] = QUOTE;
    for (let i = 0; i < chars; i++) {
      const code = charCode(value, i);
      if (code >= 0x80 || ESCAPES[code] !== AS_IS) {
        this.quoted(Buffer.from(value));
        return;
      }
      this.buffer[at++] = code;
    }
    this.buffer[at++] = QUOTE;
    this.length = at;
  }

  /** Bytes as a string value. Invalid UTF-8 becomes U+FFFD. */
  quoted(text: Bytes): void {
    const bytes = isUtf8(text) ? text : Buffer.from(asBuffer(text).toString());
    this.u8(QUOTE);
    for (let from = 0; from < bytes.length; from += ESCAPE_STEP_BYTES) {
      this.#escape(bytes, from, Math.min(from + ESCAPE_STEP_BYTES, bytes.length));
    }
    this.u8(QUOTE);
  }

  #escape(bytes: Bytes, from: number, to: number): void {
    this.ensure((to - from) * MAX_ESCAPE_BYTES);
    const buffer = this.buffer;
    let at = this.length;
    for (let i = from; i < to; i++) {
      const byte = bytes[i]!;
      const how = byte < 0x80 ? ESCAPES[byte]! : AS_IS;
      if (how === AS_IS) {
        buffer[at++] = byte;
      } else if (how !== AS_CODE) {
        buffer[at++] = BACKSLASH;
        buffer[at++] = how;
      } else {
        at = putCode(buffer, at, byte);
      }
      // U+2028 and U+2029 are e2 80 a8 and e2 80 a9. Two of the three bytes are already out.
      if ((byte === 0xa8 || byte === 0xa9) && bytes[i - 1] === 0x80 && bytes[i - 2] === 0xe2) {
        at = putCode(buffer, at - 3, 0x2028 + (byte & 1));
      }
    }
    this.length = at;
  }
}

/** As \u and four hex digits. */
function putCode(buffer: Uint8Array, at: number, code: number): number {
  buffer[at] = BACKSLASH;
  buffer[at + 1] = 0x75;
  for (let i = 0; i < 4; i++) buffer[at + 2 + i] = HEX[(code >>> (12 - 4 * i)) & 0xf]!;
  return at + 6;
}
