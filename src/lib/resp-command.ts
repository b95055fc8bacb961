/**
 * Commands of RESP2 (lib/resp.ts):  *<count> CRLF, then for each argument  $<bytes> CRLF <argument> CRLF
 */
import type { ByteWriter } from './bytes.js';

/** Below these a loop beats the call into native code. */
const SHORT_TEXT_CHARS = 64;
const SHORT_COPY_BYTES = 32;
/** Marker, digits, CR LF, and the CR LF after the argument. */
const OVERHEAD_BYTES = 20;

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

function writeBytes(out: ByteWriter, argument: Uint8Array): void {
  const bytes = argument.length;
  out.ensure(bytes + OVERHEAD_BYTES);
  putHeader(out, DOLLAR, bytes);
  const { buffer, length } = out;
  if (bytes > SHORT_COPY_BYTES) buffer.set(argument, length);
  else for (let i = 0; i < bytes; i++) buffer[length + i] = argument[i]!;
  putEnd(out, bytes);
}

function writeText(out: ByteWriter, text: string): void {
  if (text.length <= SHORT_TEXT_CHARS && writeShortAscii(out, text)) return;
  const bytes = Buffer.byteLength(text);
  out.ensure(bytes + OVERHEAD_BYTES);
  putHeader(out, DOLLAR, bytes);
  out.buffer.write(text, out.length, bytes === text.length ? 'latin1' : 'utf8');
  putEnd(out, bytes);
}

function writeShortAscii(out: ByteWriter, text: string): boolean {
  const chars = text.length;
  const start = out.length;
  out.ensure(chars + OVERHEAD_BYTES);
  putHeader(out, DOLLAR, chars);
  const { buffer, length } = out;
  for (let i = 0; i < chars; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) {
      out.length = start;
      return false;
    }
    buffer[length + i] = code;
  }
  putEnd(out, chars);
  return true;
}

function putHeader(out: ByteWriter, marker: number, value: number): void {
  const { buffer } = out;
  let pos = out.length;
  buffer[pos++] = marker;
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
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

function putEnd(out: ByteWriter, bytes: number): void {
  const end = out.length + bytes;
  out.buffer[end] = CR;
  out.buffer[end + 1] = LF;
  out.length = end + 2;
}
