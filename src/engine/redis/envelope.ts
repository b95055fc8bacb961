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
import { asBuffer, putUvarint, uvarintBytes } from '../../lib/bytes.js';
import { decodeClientInfo } from '../../protocol/client-info.js';
import {
  ENTRY_DELTA,
  ENTRY_HEADER_BYTES,
  entryFlags,
  entryFromProtobuf,
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
const TIME_FIELD = 9;
const VARINT = 0;

export class EnvelopeError extends Error {
  override readonly name = 'EnvelopeError';
}

/** Whether something that was thrown says that bytes from Redis cannot be read. */
export const isUnreadable = (thrown: unknown): thrown is EnvelopeError | ProtoError =>
  thrown instanceof EnvelopeError || thrown instanceof ProtoError;

/** An entry's Publication, with what others expect in it: the time, and `delta` where no envelope can say so. */
export function encodePublication(entry: Bytes, timeMs: number, isStored: boolean): Buffer {
  const asksForDelta = !isStored && (entryFlags(entry) & ENTRY_DELTA) !== 0;
  let at = entry.length - ENTRY_HEADER_BYTES;
  const bytes = Buffer.allocUnsafe(at + (asksForDelta ? 2 : 0) + 1 + uvarintBytes(timeMs));
  bytes.set(entryProtobuf(entry));
  if (asksForDelta) {
    bytes[at++] = (DELTA_FIELD << 3) | VARINT;
    bytes[at++] = 1;
  }
  bytes[at++] = (TIME_FIELD << 3) | VARINT;
  putUvarint(bytes, at, timeMs);
  return bytes;
}

export const joinEnvelope = (info: Bytes): Buffer => Buffer.concat([JOIN, info]);
export const leaveEnvelope = (info: Bytes): Buffer => Buffer.concat([LEAVE, info]);

/**
 * Hand a message to the sink. A Publication alone is never taken for an envelope: `_` would be a field of a wire type that
 * there is not.
 * @throws EnvelopeError, ProtoError for what no node would have sent.
 */
export function openEnvelope(channel: string, payload: Buffer, sink: BrokerSink): void {
  if (payload[0] !== UNDERSCORE) sink.publication(channel, entryFromProtobuf(payload, 0, 0), '');
  else if (startsWith(payload, STORED)) deliver(channel, openStored(payload), 0, sink);
  else if (startsWith(payload, DELTA)) deliver(channel, openDelta(payload), ENTRY_DELTA, sink);
  else if (startsWith(payload, JOIN)) sink.join(channel, checkedInfo(payload));
  else if (startsWith(payload, LEAVE)) sink.leave(channel, checkedInfo(payload));
  else throw new EnvelopeError('a message of an unknown kind');
}

/** @throws ProtoError  here, and not at every edge that would read it. */
function checkedInfo(payload: Buffer): Buffer {
  const info = payload.subarray(HEAD_BYTES);
  decodeClientInfo(info);
  return info;
}

/** A Publication, and where it is in its stream. */
export interface StoredPublication {
  readonly offset: number;
  readonly epoch: string;
  readonly publication: Buffer;
}

/** `__p1:<offset>:<epoch>__Publication`. @throws EnvelopeError */
export function openStored(payload: Buffer): StoredPublication {
  if (!startsWith(payload, STORED)) throw new EnvelopeError('an item of an unknown kind');
  const cursor = new Cursor(payload, HEAD_BYTES);
  const offset = cursor.number();
  const epoch = cursor.textInFrontOfTwoUnderscores();
  return { offset, epoch, publication: cursor.rest() };
}

function openDelta(payload: Buffer): StoredPublication {
  const cursor = new Cursor(payload, HEAD_BYTES);
  const offset = cursor.number();
  const epoch = cursor.text();
  // Subscribers' edges keep the publication before this one themselves.
  cursor.skip(cursor.number());
  return { offset, epoch, publication: cursor.bytes(cursor.number()) };
}

/** Subscribers learn a stream's epoch from the first of its publications, as from Centrifugo. */
function deliver(channel: string, stored: StoredPublication, flags: number, sink: BrokerSink): void {
  const { offset, epoch, publication } = stored;
  if (offset === 0 || epoch === '') throw new EnvelopeError('a position that no publication has');
  const entry = entryFromProtobuf(publication, offset, flags);
  sink.publication(channel, offset === 1 ? entryWithEpoch(entry, epoch) : entry, epoch);
}

function startsWith(payload: Buffer, head: Buffer): boolean {
  for (let i = 0; i < HEAD_BYTES; i++) if (payload[i] !== head[i]) return false;
  return true;
}

/** Reads fields, most of which end with a colon. */
class Cursor {
  constructor(
    private readonly payload: Buffer,
    private at: number,
  ) {}

  text(): string {
    const end = this.payload.indexOf(COLON, this.at);
    if (end < 0) throw new EnvelopeError('an envelope is cut off');
    const text = this.payload.toString('utf8', this.at, end);
    this.at = end + 1;
    return text;
  }

  textInFrontOfTwoUnderscores(): string {
    let end = this.payload.indexOf(UNDERSCORE, this.at);
    while (end >= 0 && this.payload[end + 1] !== UNDERSCORE) end = this.payload.indexOf(UNDERSCORE, end + 1);
    if (end < 0) throw new EnvelopeError('an envelope without an end');
    const text = this.payload.toString('utf8', this.at, end);
    this.at = end + 2;
    return text;
  }

  number(): number {
    const end = this.payload.indexOf(COLON, this.at);
    if (end < 0) throw new EnvelopeError('an envelope is cut off');
    const number = readNumber(this.payload, this.at, end);
    this.at = end + 1;
    return number;
  }

  bytes(length: number): Buffer {
    if (this.at + length > this.payload.length) throw new EnvelopeError('an envelope is cut off');
    this.at += length;
    return this.payload.subarray(this.at - length, this.at);
  }

  skip(length: number): void {
    this.at += length + 1;
  }

  rest(): Buffer {
    return this.payload.subarray(this.at);
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
