/**
 * What travels on a channel's PUB/SUB, as Centrifugo nodes write and read it:
 *
 *   Publication                                                   nothing is stored; its field `delta` asks for deltas
 *   __p1:<offset>:<epoch>__Publication                            stored
 *   __d1:<offset>:<epoch>:<bytes>:<previous>:<bytes>:Publication  stored, deltas asked for; with the one before, or 0 bytes
 *   __j__ClientInfo, __l__ClientInfo                              join, leave
 *
 * Publications are protobuf, as are those in streams and lists. A list's items are `__p1:…` too.
 */
import { asBuffer, type ByteWriter, putUvarint, uvarintBytes } from '../../lib/bytes.js';
import { argumentHeadBytes, writeArgumentEnd, writeArgumentHead } from '../../lib/resp-command.js';
import { TextCache } from '../../lib/text-cache.js';
import { decodeClientInfo } from '../../protocol/client-info.js';
import {
  ENTRY_DELTA,
  ENTRY_HEADER_BYTES,
  entryFlags,
  entryInPlace,
  entryProtobuf,
  entryWithEpoch,
} from '../../protocol/entry.js';
import type { Bytes } from '../../protocol/messages.js';
import { ProtoError } from '../../protocol/proto-reader.js';
import type { BrokerSink } from '../engine.js';

const STORED = Buffer.from('__p1:');
const DELTA = Buffer.from('__d1:');
const JOIN = Buffer.from('__j__');
const LEAVE = Buffer.from('__l__');
/** Of each of them. */
const HEAD_BYTES = 5;

const UNDERSCORE = 0x5f;
const COLON = 0x3a;
const ZERO = 0x30;

const DELTA_FIELD = 8;
const DELTA_FIELD_BYTES = 2;
const TIME_FIELD = 9;
const VARINT = 0;

const epochs = new TextCache();

export class EnvelopeError extends Error {
  override readonly name = 'EnvelopeError';
}

/** Whether something that was thrown says that bytes from Redis cannot be read. */
export const isUnreadable = (thrown: unknown): thrown is EnvelopeError | ProtoError =>
  thrown instanceof EnvelopeError || thrown instanceof ProtoError;

/** The field `time` of a Publication. */
export function timeField(ms: number): Buffer {
  const field = Buffer.allocUnsafe(1 + uvarintBytes(ms));
  field[0] = (TIME_FIELD << 3) | VARINT;
  putUvarint(field, 1, ms);
  return field;
}

/**
 * A head of arguments, then an entry's Publication as one more, with what others expect in it: the time, and `delta` where no
 * envelope can say so. The entry is copied header and all, so that there need be no view of the rest, and what comes in
 * front is written over its header.
 * @param head  at least as long as an entry's header.
 * @param time  see {@link timeField}.
 */
export function writeHeaded(
  out: ByteWriter,
  head: Uint8Array,
  entry: Bytes,
  isStored: boolean,
  time: Uint8Array,
): void {
  const start = out.length;
  out.ensure(head.length);
  out.length += head.length;
  writePublication(out, entry, isStored, time);
  out.buffer.set(head, start);
}

/** The Publication alone, behind what is at least as long as an entry's header. */
export function appendPublication(out: ByteWriter, entry: Bytes, isStored: boolean, time: Uint8Array): void {
  const from = out.length - ENTRY_HEADER_BYTES;
  for (let i = 0; i < ENTRY_HEADER_BYTES; i++) spoilt[i] = out.buffer[from + i]!;
  writePublication(out, entry, isStored, time);
  for (let i = 0; i < ENTRY_HEADER_BYTES; i++) out.buffer[from + i] = spoilt[i]!;
}

const spoilt = Buffer.alloc(ENTRY_HEADER_BYTES);

/** Spoils what stands in front. */
function writePublication(out: ByteWriter, entry: Bytes, isStored: boolean, time: Uint8Array): void {
  const asksForDelta = !isStored && (entryFlags(entry) & ENTRY_DELTA) !== 0;
  const bytes = entry.length - ENTRY_HEADER_BYTES;
  const written = bytes + (asksForDelta ? DELTA_FIELD_BYTES : 0) + time.length;
  const at = out.length + argumentHeadBytes(written);
  out.ensure(at - out.length + written);
  const { buffer } = out;
  buffer.set(entry, at - ENTRY_HEADER_BYTES);
  writeArgumentHead(out, written);
  putFields(buffer, at + bytes, asksForDelta, time);
  out.length = at + written;
  writeArgumentEnd(out);
}

/** The same by itself. */
export function encodePublication(entry: Bytes, isStored: boolean, time: Uint8Array): Buffer {
  const asksForDelta = !isStored && (entryFlags(entry) & ENTRY_DELTA) !== 0;
  const at = entry.length - ENTRY_HEADER_BYTES;
  const bytes = Buffer.allocUnsafe(at + (asksForDelta ? DELTA_FIELD_BYTES : 0) + time.length);
  bytes.set(entryProtobuf(entry));
  putFields(bytes, at, asksForDelta, time);
  return bytes;
}

function putFields(buffer: Buffer, at: number, asksForDelta: boolean, time: Uint8Array): void {
  let pos = at;
  if (asksForDelta) {
    buffer[pos++] = (DELTA_FIELD << 3) | VARINT;
    buffer[pos++] = 1;
  }
  for (let i = 0; i < time.length; i++) buffer[pos++] = time[i]!;
}

export const joinEnvelope = (info: Bytes): Buffer => Buffer.concat([JOIN, info]);
export const leaveEnvelope = (info: Bytes): Buffer => Buffer.concat([LEAVE, info]);

/**
 * Hand a message to the sink: [start, end) of `bytes`, in which there must be room for an entry's header in front of it, which
 * is overwritten. A Publication alone is never taken for an envelope: `_` would be a field of a wire type that
 * there is not.
 * @throws EnvelopeError, ProtoError for what no node would have sent.
 */
export function openEnvelope(channel: string, bytes: Buffer, start: number, end: number, sink: BrokerSink): void {
  if (bytes[start] !== UNDERSCORE) sink.publication(channel, entryInPlace(bytes, start, end, 0, 0), '');
  else if (startsWith(bytes, start, STORED)) deliver(channel, bytes, readStored(bytes, start, end), 0, sink);
  else if (startsWith(bytes, start, DELTA)) deliver(channel, bytes, readDelta(bytes, start, end), ENTRY_DELTA, sink);
  else if (startsWith(bytes, start, JOIN)) sink.join(channel, checkedInfo(bytes.subarray(start + HEAD_BYTES, end)));
  else if (startsWith(bytes, start, LEAVE)) sink.leave(channel, checkedInfo(bytes.subarray(start + HEAD_BYTES, end)));
  else throw new EnvelopeError('a message of an unknown kind');
}

/** @throws ProtoError  here, and not at every edge that would read it. */
function checkedInfo(info: Buffer): Buffer {
  decodeClientInfo(info);
  return info;
}

/** Where a stored Publication is: [start, end) of a message, and in its stream. */
interface Placed {
  readonly offset: number;
  readonly epoch: string;
  readonly start: number;
  readonly end: number;
}

/** A Publication, and where it is in its stream. */
export interface StoredPublication {
  readonly offset: number;
  readonly epoch: string;
  readonly publication: Buffer;
}

/** `__p1:<offset>:<epoch>__Publication`, an item of a list. @throws EnvelopeError */
export function openStored(item: Buffer): StoredPublication {
  if (!startsWith(item, 0, STORED)) throw new EnvelopeError('an item of an unknown kind');
  const { offset, epoch, start, end } = readStored(item, 0, item.length);
  return { offset, epoch, publication: item.subarray(start, end) };
}

function readStored(bytes: Buffer, start: number, end: number): Placed {
  const cursor = new Cursor(bytes, start + HEAD_BYTES, end);
  const offset = cursor.number();
  return { offset, epoch: cursor.textInFrontOfTwoUnderscores(), start: cursor.at, end };
}

function readDelta(bytes: Buffer, start: number, end: number): Placed {
  const cursor = new Cursor(bytes, start + HEAD_BYTES, end);
  const offset = cursor.number();
  const epoch = cursor.text();
  // Subscribers' edges keep the publication before this one themselves.
  cursor.skip(cursor.number());
  const length = cursor.number();
  if (cursor.at + length > end) throw new EnvelopeError('an envelope is cut off');
  return { offset, epoch, start: cursor.at, end: cursor.at + length };
}

/** Subscribers learn a stream's epoch from the first of its publications, as from Centrifugo. */
function deliver(channel: string, bytes: Buffer, placed: Placed, flags: number, sink: BrokerSink): void {
  const { offset, epoch, start, end } = placed;
  if (offset === 0 || epoch === '') throw new EnvelopeError('a position that no publication has');
  const entry = entryInPlace(bytes, start, end, offset, flags);
  sink.publication(channel, offset === 1 ? entryWithEpoch(entry, epoch) : entry, epoch);
}

function startsWith(bytes: Buffer, start: number, head: Buffer): boolean {
  for (let i = 0; i < HEAD_BYTES; i++) if (bytes[start + i] !== head[i]) return false;
  return true;
}

/** Reads fields, most of which end with a colon, up to `end`. */
class Cursor {
  constructor(
    private readonly bytes: Buffer,
    public at: number,
    private readonly end: number,
  ) {}

  text(): string {
    const { at } = this;
    return epochs.text(this.bytes, at, this.#colon());
  }

  textInFrontOfTwoUnderscores(): string {
    const { bytes, at } = this;
    let to = at;
    while (to < this.end && (bytes[to] !== UNDERSCORE || bytes[to + 1] !== UNDERSCORE)) to++;
    if (to + 2 > this.end) throw new EnvelopeError('an envelope without an end');
    this.at = to + 2;
    return epochs.text(bytes, at, to);
  }

  number(): number {
    const { at } = this;
    return readNumber(this.bytes, at, this.#colon());
  }

  /** So many bytes and a colon. */
  skip(length: number): void {
    this.at += length + 1;
  }

  /** Passes it. @returns where it is. */
  #colon(): number {
    let to = this.at;
    while (to < this.end && this.bytes[to] !== COLON) to++;
    if (to >= this.end) throw new EnvelopeError('an envelope is cut off');
    this.at = to + 1;
    return to;
  }
}

function readNumber(bytes: Bytes, from: number, to: number): number {
  let number = 0;
  for (let at = from; at < to; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) throw new EnvelopeError('an envelope with a malformed number');
    number = number * 10 + digit;
  }
  if (from >= to || !Number.isSafeInteger(number)) throw new EnvelopeError('an envelope with a malformed number');
  return number;
}

/** The offset in the ID of a stream's entry, `<offset>-0`. @throws EnvelopeError */
export function offsetOfId(id: Bytes): number {
  return readNumber(id, 0, asBuffer(id).indexOf('-'));
}
