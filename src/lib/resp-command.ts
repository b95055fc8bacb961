/**
 * Commands of RESP2 (lib/resp.ts):  *<count> CRLF, then for each argument  $<bytes> CRLF <argument> CRLF
 */
import type { ByteWriter } from './bytes.js';
import { charCode } from './char-code.js';

/** Below these a loop beats the call into native code. */
const SHORT_COPY_BYTES = 32;
const SHORT_TEXT_CHARS = 32;
/** Marker, digits, CR LF, and the CR LF after the argument. */
const OVERHEAD_BYTES = 20;
/** Of one UTF-16 unit. */
const UTF8_MAX_BYTES = 3;

const CR = 13;
const LF = 10;
const ZERO = 48;
const DOLLAR = 36;
const STAR = 42;

/** A whole command. Arguments are copied; text is UTF-8. */
export function writeCommand(out: ByteWriter, args: readonly (string | Uint8Array)[]): void {
  writeCount(out, args.length);
  for (let i = 0; i < args.length; i++) writeArgument(out, args[i]!);
}

/** Start of a command with `count` arguments, its name included. */
export function writeCount(out: ByteWriter, count: number): void {
  out.ensure(OVERHEAD_BYTES);
  putHeader(out, STAR, count);
}

export function writeArgument(out: ByteWriter, argument: string | Uint8Array): void {
  if (typeof argument === 'string') writeText(out, argument);
  else writeBytes(out, argument);
}

/** Of what stands in front of an argument of so many bytes. */
export function argumentHeadBytes(bytes: number): number {
  return 1 + digitsOf(bytes) + 2;
}

/** An argument of so many bytes follows, then {@link writeArgumentEnd}. */
export function writeArgumentHead(out: ByteWriter, bytes: number): void {
  out.ensure(OVERHEAD_BYTES);
  putHeader(out, DOLLAR, bytes);
}

export function writeArgumentEnd(out: ByteWriter): void {
  out.ensure(2);
  putEnd(out, 0);
}

function writeBytes(out: ByteWriter, argument: Uint8Array): void {
  const bytes = argument.length;
  out.ensure(bytes + OVERHEAD_BYTES);
  putHeader(out, DOLLAR, bytes);
  const { buffer, length } = out;
  if (bytes > SHORT_COPY_BYTES) buffer.set(argument, length);
  else for (let i = 0; i < bytes; i++) buffer[length + i] = argument[i]!;
  putEnd(out, bytes);
}

/** Nearly all texts are ASCII: written as such, and again if that was wrong. */
function writeText(out: ByteWriter, text: string): void {
  const start = out.length;
  const chars = text.length;
  out.ensure(chars * UTF8_MAX_BYTES + OVERHEAD_BYTES);
  putHeader(out, DOLLAR, chars);
  if (chars <= SHORT_TEXT_CHARS && putAscii(out, text, chars)) {
    putEnd(out, chars);
    return;
  }
  let bytes = out.buffer.write(text, out.length);
  if (bytes !== chars) {
    out.length = start;
    putHeader(out, DOLLAR, bytes);
    bytes = out.buffer.write(text, out.length);
  }
  putEnd(out, bytes);
}

function putAscii({ buffer, length }: ByteWriter, text: string, chars: number): boolean {
  for (let i = 0; i < chars; i++) {
    const code = charCode(text, i);
    if (code >= 0x80) return false;
    buffer[length + i] = code;
  }
  return true;
}

function putHeader(out: ByteWriter, marker: number, value: number): void {
  const { buffer } = out;
  let pos = out.length;
  buffer[pos++] = marker;
  const digits = digitsOf(value);
  let rest = value;
  for (let i = pos + digits - 1; i >= pos; i--) {
    const tenth = Math.floor(rest / 10);
    buffer[i] = ZERO + rest - tenth * 10;
    rest = tenth;
  }
  pos += digits;
  buffer[pos++] = CR;
  buffer[pos++] = LF;
  out.length = pos;
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}

function putEnd(out: ByteWriter, bytes: number): void {
  const end = out.length + bytes;
  out.buffer[end] = CR;
  out.buffer[end + 1] = LF;
  out.length = end + 2;
}
