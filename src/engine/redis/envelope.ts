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
import { asBuffer } from '../../lib/bytes.js';
import { ENTRY_DELTA, entryFlags, entryFromProtobuf, entryProtobuf, wantsDelta } from '../../protocol/entry.js';
import type { Bytes } from '../../protocol/messages.js';
import { ProtoError } from '../../protocol/proto-reader.js';
import type { BrokerSink } from '../engine.js';

const UNDERSCORE = 0x5f;
const COLON = 0x3a;
const ZERO = 0x30;
const J = 0x6a;
const L = 0x6c;
const P = 0x70;
const D = 0x64;
const ENVELOPE = '__';
/** Behind `__j__`, `__l__`, and in `__p1:`, `__d1:`. */
const HEAD_BYTES = 5;

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
  const publication = entryProtobuf(entry);
  const delta = !isStored && (entryFlags(entry) & ENTRY_DELTA) !== 0;
  const bytes = Buffer.allocUnsafe(publication.length + TAIL_MAX_BYTES);
  bytes.set(publication);
  let at = publication.length;
  if (delta) {
    bytes[at++] = (DELTA_FIELD << 3) | VARINT;
    bytes[at++] = 1;
  }
  bytes[at++] = (TIME_FIELD << 3) | VARINT;
  let rest = timeMs;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
  bytes[at++] = rest;
  return bytes.subarray(0, at);
}

/** Two for `delta`, one and a varint of 48 bits for the time. */
const TAIL_MAX_BYTES = 2 + 1 + 7;

export const joinEnvelope = (info: Bytes): Buffer => Buffer.concat([Buffer.from('__j__'), info]);
export const leaveEnvelope = (info: Bytes): Buffer => Buffer.concat([Buffer.from('__l__'), info]);

/** Hand a message to the sink. @throws EnvelopeError, ProtoError for what no node would have sent. */
export function openEnvelope(channel: string, payload: Buffer, sink: BrokerSink): void {
  if (payload[0] !== UNDERSCORE || payload[1] !== UNDERSCORE) {
    const flags = wantsDelta(payload) ? ENTRY_DELTA : 0;
    sink.publication(channel, entryFromProtobuf(payload, 0, flags), '');
    return;
  }
  switch (payload[2]) {
    case P: {
      const stored = openStored(payload);
      sink.publication(channel, entryFromProtobuf(stored.publication, stored.offset, 0), stored.epoch);
      return;
    }
    case D:
      openDelta(channel, payload, sink);
      return;
    case J:
      sink.join(channel, payload.subarray(HEAD_BYTES));
      return;
    case L:
      sink.leave(channel, payload.subarray(HEAD_BYTES));
      return;
    default:
      throw new EnvelopeError('a message of an unknown kind');
  }
}

/** `__p1:<offset>:<epoch>__Publication`. @throws EnvelopeError */
export function openStored(payload: Buffer): { offset: number; epoch: string; publication: Buffer } {
  const epochAt = payload.indexOf(COLON, HEAD_BYTES) + 1;
  const end = payload.indexOf(ENVELOPE, epochAt, 'latin1');
  if (epochAt === 0 || end < 0) throw new EnvelopeError('an envelope without an end');
  return {
    offset: readNumber(payload, HEAD_BYTES, epochAt - 1),
    epoch: payload.toString('utf8', epochAt, end),
    publication: payload.subarray(end + ENVELOPE.length),
  };
}

function openDelta(channel: string, payload: Buffer, sink: BrokerSink): void {
  const cursor = new Cursor(payload, HEAD_BYTES);
  const offset = cursor.number();
  const epoch = cursor.text();
  // Subscribers' edges keep the publication before this one themselves.
  cursor.skip(cursor.number());
  const publication = cursor.bytes(cursor.number());
  sink.publication(channel, entryFromProtobuf(publication, offset, ENTRY_DELTA), epoch);
}

/** Fields that end with a colon. */
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
    this.bytes(length);
    this.at++;
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
