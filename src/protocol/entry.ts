/**
 * Entry: a publication inside the server, from the publisher through the rings into history and out to the edges.
 *
 *   0        4       5         13        21
 *   | u32 le | u8    | f64 le  | f64 le  | Publication, protobuf (data, info, tags, version, epoch)
 *   | length | flags | offset  | time ms |
 *     of the whole entry, header included
 *
 * One layout everywhere means that ordering is a patch of two fields and fan-out, history and recovery are copies.
 * Entries stand one after the other in history slabs and in recovery acknowledgements.
 *
 * Offset and time of the header count. A publication that came from another node may hold its own: they are ignored.
 */
import { Buffer } from 'node:buffer';
import { asBuffer } from '../lib/bytes.js';
import { clientInfoFields, emptyClientInfo, writeClientInfo } from './client-info.js';
import { isJsonLine } from './is-json.js';
import type { Bytes, ClientInfo, Payload, Publication, Publications } from './messages.js';
import { mapFields, ProtoFields, ProtoReader, type ProtoTable } from './proto-reader.js';
import { ProtoWriter } from './proto-writer.js';

export const ENTRY_HEADER_BYTES = 21;

/** `data` is known to be valid JSON on one line: JSON encoders embed it without looking at it. */
export const ENTRY_JSON = 1;
/** The publisher asked for delta compression. */
export const ENTRY_DELTA = 2;

const FLAGS_AT = 4;
const OFFSET_AT = 5;
const TIME_AT = 13;

/** Of the field `data`. */
const DATA_TAG = (4 << 3) | 2;
/** Of `delta` and `time`. */
const DELTA_TAG = 8 << 3;
const TIME_TAG = 9 << 3;
const TIME_MAX_FACTOR = 2 ** 42;
export const NOT_ONLY_DATA = -1;

const NEWLINE = 0x0a;
const NOTHING = Buffer.alloc(0);

const tagFields = mapFields<string>((r) => r.string());

/** What is read of an encoded publication. */
type Encoded = Pick<Publication, 'data' | 'info' | 'tags' | 'epoch' | 'version'>;
const encodedTable: ProtoTable<Encoded> = {
  data: [4, (r) => r.bytes()],
  info: [5, (r, old) => r.message(old ?? emptyClientInfo(), clientInfoFields)],
  tags: [7, (r, old) => r.mapEntry(old, tagFields, '')],
  epoch: [14, (r) => r.string()],
  version: [16, (r) => r.uint64()],
};
const publicationFields = new ProtoFields<Publication>(encodedTable);

/** What another node encoded: all that will be read of it, so that it is refused where it comes in or not at all. */
interface Foreign extends Encoded {
  delta: boolean;
  time: number;
}
const foreignFields = new ProtoFields<Foreign>({
  ...encodedTable,
  delta: [8, (r) => r.boolean()],
  time: [9, (r) => r.int64()],
});

const scratch = new ProtoWriter();

/**
 * What can be said about a payload, for the flags of its entry.
 * @param known  it is known to be valid JSON.
 */
export function payloadFlags(data: Bytes, known = false): number {
  const isLine = known ? asBuffer(data).indexOf(NEWLINE) < 0 : isJsonLine(data, 0, data.length);
  return isLine ? ENTRY_JSON : 0;
}

/** Of bytes of which nothing is known. */
export const payloadOf = (bytes: Bytes): Payload => ({ bytes, isJsonLine: isJsonLine(bytes, 0, bytes.length) });

/** What an entry is made of. */
export interface EntryParts {
  readonly data: Bytes;
  /** May be given encoded (client-info.ts). */
  readonly info?: ClientInfo | Bytes | undefined;
  readonly tags?: Record<string, string> | undefined;
  readonly version?: number | undefined;
}

/**
 * An entry without offset and time.
 * @param flags  ENTRY_DELTA and what {@link payloadFlags} says.
 */
export const encodeEntry = (parts: EntryParts, flags: number): Buffer => Buffer.from(lendEntry(parts, flags));

/** The same, valid until the next one is made: for whoever hands it on at once. */
export function lendEntry({ data, info, tags, version }: EntryParts, flags: number): Buffer {
  begin();
  scratch.bytesField(4, data);
  if (info instanceof Uint8Array) scratch.bytesField(5, info);
  else if (info) scratch.message(5, writeClientInfo, info);
  if (tags) scratch.textMap(7, tags);
  scratch.numberField(16, version);
  return finish(flags, 0, 0);
}

/** The same entry as the first of its stream: subscribers learn the epoch from it. Everything else is kept. */
export function entryWithEpoch(entry: Bytes, epoch: string): Buffer {
  begin();
  scratch.raw(entryProtobuf(entry));
  scratch.textField(14, epoch);
  return Buffer.from(finish(entryFlags(entry), entryOffset(entry), entryTime(entry)));
}

/**
 * An entry of a publication that another node encoded. Its time is kept, and it may ask for deltas itself; where that is all
 * it has beside `data`, the entry consists of `data` alone.
 * @throws ProtoError  also where {@link decodeEntry} would throw later.
 */
export function entryFromProtobuf(publication: Bytes, offset: number, flags: number): Buffer {
  const bytes = asBuffer(publication);
  const it = describe(bytes, 0, bytes.length);
  return withHeader(bytes.subarray(0, it.end), flags | it.flags, offset, it.time);
}

/**
 * The same of [start, end) of `bytes`, without a copy: the header replaces the {@link ENTRY_HEADER_BYTES} in front of it.
 * @throws ProtoError
 */
export function entryInPlace(bytes: Buffer, start: number, end: number, offset: number, flags: number): Buffer {
  const it = describe(bytes, start, end);
  const entry = bytes.subarray(start - ENTRY_HEADER_BYTES, it.end);
  putHeader(entry, flags | it.flags, offset, it.time);
  return entry;
}

/** What a publication that another node encoded means for its entry, which needs nothing of it beyond `end`. */
interface Description {
  readonly flags: number;
  readonly time: number;
  readonly end: number;
}

function describe(bytes: Buffer, start: number, end: number): Description {
  const usual = describeUsual(bytes, start, end);
  if (usual !== undefined) return usual;
  const { data, delta, time } = new ProtoReader(bytes.subarray(start, end)).fields(emptyForeign(), foreignFields);
  return { flags: (delta ? ENTRY_DELTA : 0) | payloadFlags(data), time, end };
}

/** Of `data`, perhaps `delta`, and `time`, in this order, which most publications consist of; undefined for others. */
function describeUsual(bytes: Buffer, start: number, end: number): Description | undefined {
  const dataEnd = endOfData(bytes, start);
  let pos = dataEnd;
  if (pos < 0 || pos >= end) return undefined;
  const delta = bytes[pos] === DELTA_TAG && bytes[pos + 1] === 1;
  if (delta) pos += 2;
  if (bytes[pos++] !== TIME_TAG) return undefined;
  let time = 0;
  let byte = 0x80;
  for (let factor = 1; byte >= 0x80; factor *= 0x80) {
    if (pos >= end || factor > TIME_MAX_FACTOR) return undefined;
    byte = bytes[pos++]!;
    time += (byte & 0x7f) * factor;
  }
  if (pos !== end) return undefined;
  const flags = (delta ? ENTRY_DELTA : 0) | (isJsonLine(bytes, startOfData(bytes, start), dataEnd) ? ENTRY_JSON : 0);
  return { flags, time, end: dataEnd };
}

function withHeader(publication: Bytes, flags: number, offset: number, timeMs: number): Buffer {
  const entry = Buffer.allocUnsafe(ENTRY_HEADER_BYTES + publication.length);
  entry.set(publication, ENTRY_HEADER_BYTES);
  putHeader(entry, flags, offset, timeMs);
  return entry;
}

function putHeader(entry: Buffer, flags: number, offset: number, timeMs: number): void {
  entry.writeUInt32LE(entry.length, 0);
  entry[FLAGS_AT] = flags;
  entry.writeDoubleLE(offset, OFFSET_AT);
  entry.writeDoubleLE(timeMs, TIME_AT);
}

/** An entry, from behind its header. */
function begin(): void {
  scratch.reset().ensure(ENTRY_HEADER_BYTES);
  scratch.length = ENTRY_HEADER_BYTES;
}

function finish(flags: number, offset: number, timeMs: number): Buffer {
  const { length } = scratch;
  scratch.length = 0;
  scratch.u32le(length);
  scratch.u8(flags);
  scratch.f64le(offset);
  scratch.f64le(timeMs);
  scratch.length = length;
  return scratch.record();
}

/** `data` and info are views into `entry`. */
export function decodeEntry(entry: Bytes): Publication {
  const pub = decodePublication(entry, ENTRY_HEADER_BYTES);
  pub.offset = entryOffset(entry);
  pub.json = (entryFlags(entry) & ENTRY_JSON) !== 0;
  return pub;
}

function decodePublication(bytes: Bytes, start: number): Publication {
  return new ProtoReader(bytes, start).fields(emptyPublication(), publicationFields);
}

const emptyPublication = (): Publication => ({
  offset: 0,
  data: NOTHING,
  info: undefined,
  tags: undefined,
  delta: undefined,
  channel: undefined,
  epoch: undefined,
  version: undefined,
  json: false,
});

const emptyForeign = (): Foreign => ({
  data: NOTHING,
  info: undefined,
  tags: undefined,
  epoch: undefined,
  version: undefined,
  delta: false,
  time: 0,
});

/** The publication alone, as other nodes and Redis know it. */
export function entryProtobuf(entry: Bytes): Buffer {
  return asBuffer(entry).subarray(ENTRY_HEADER_BYTES);
}

/** @param at  where the entry begins, in all of the following. */
export function entryLength(bytes: Bytes, at = 0): number {
  if (at + 4 > bytes.length) throw new RangeError(`broken entry at ${at}`);
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

export function entryFlags(bytes: Bytes, at = 0): number {
  return bytes[at + FLAGS_AT]!;
}

/** 0 where the channel keeps no history. */
export function entryOffset(bytes: Bytes, at = 0): number {
  return asBuffer(bytes).readDoubleLE(at + OFFSET_AT);
}

/** Milliseconds since the epoch. */
export function entryTime(bytes: Bytes, at = 0): number {
  return asBuffer(bytes).readDoubleLE(at + TIME_AT);
}

export function setEntryOffset(bytes: Bytes, offset: number, at = 0): void {
  asBuffer(bytes).writeDoubleLE(offset, at + OFFSET_AT);
}

export function setEntryTime(bytes: Bytes, timeMs: number, at = 0): void {
  asBuffer(bytes).writeDoubleLE(timeMs, at + TIME_AT);
}

/** Where the entry ends. @throws RangeError where it is cut off. */
export function entryEnd(bytes: Bytes, at: number): number {
  const end = at + entryLength(bytes, at);
  if (end < at + ENTRY_HEADER_BYTES || end > bytes.length) throw new RangeError(`broken entry at ${at}`);
  return end;
}

/**
 * Where `data` begins that goes on to the end of the entry: publications of clients without info, tags and version, as
 * most are. -1 for others.
 */
export function onlyData(bytes: Bytes, at: number, end: number): number {
  const start = at + ENTRY_HEADER_BYTES;
  return endOfData(bytes, start) === end ? startOfData(bytes, start) : NOT_ONLY_DATA;
}

/** Where `data` ends if the publication begins with it, and it is not empty; -1 otherwise. */
function endOfData(bytes: Bytes, start: number): number {
  if (bytes[start] !== DATA_TAG) return -1;
  let pos = start + 1;
  let length = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = bytes[pos++]!;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) return length > 0 ? pos + length : -1;
  }
  return -1;
}

/** Of a publication that begins with it. */
function startOfData(bytes: Bytes, start: number): number {
  let pos = start + 1;
  while (bytes[pos]! >= 0x80) pos++;
  return pos + 1;
}

/** Each entry of a concatenation, as a view. @throws RangeError where it is cut off. */
export function forEachEntry(entries: Bytes, visit: (entry: Buffer) => void): void {
  const bytes = asBuffer(entries);
  for (let at = 0; at < bytes.length; ) {
    const end = entryEnd(bytes, at);
    visit(bytes.subarray(at, end));
    at = end;
  }
}

/**
 * @param entries  in order of their offsets, which have no gaps. In another order only the first is found.
 * @returns where the entry with this offset begins; the end where it is not there. @throws RangeError
 */
export function findEntry(entries: Bytes, offset: number): number {
  if (entries.length === 0) return 0;
  let at = 0;
  for (let ahead = offset - entryOffset(entries); ahead > 0 && at < entries.length; ahead--) at = entryEnd(entries, at);
  return at < entries.length && entryOffset(entries, at) === offset ? at : entries.length;
}

export function decoded(publications: Publications): readonly Publication[] {
  return 'bytes' in publications ? decodeEntries(publications.bytes) : publications;
}

/** All publications of a concatenation, in its order. */
export function decodeEntries(entries: Bytes): Publication[] {
  const publications: Publication[] = [];
  forEachEntry(entries, (entry) => publications.push(decodeEntry(entry)));
  return publications;
}
