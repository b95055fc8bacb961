import { decodeEntry, ENTRY_HEADER_BYTES, ENTRY_JSON } from '../../src/protocol/entry.js';
import type { Bytes } from '../../src/protocol/messages.js';

/** An entry whose Publication has only `data` (field 4). */
export function entry(text: string, flags = ENTRY_JSON): Buffer {
  const data = Buffer.from(text);
  const length = data.length < 0x80 ? [data.length] : [(data.length & 0x7f) | 0x80, data.length >> 7];
  if (data.length >= 1 << 14) throw new RangeError('too long for this helper');
  const bytes = Buffer.concat([Buffer.alloc(ENTRY_HEADER_BYTES), Buffer.from([0x22, ...length]), data]);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes[4] = flags;
  return bytes;
}

export interface ReadEntry {
  offset: number;
  flags: number;
  timeMs: number;
  text: string;
  /** Only the first of a stream has it. */
  epoch?: string | undefined;
}

export function readEntries(entries: Bytes): ReadEntry[] {
  const bytes = Buffer.from(entries);
  const read: ReadEntry[] = [];
  for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at)) {
    const { data, epoch } = decodeEntry(bytes.subarray(at, at + bytes.readUInt32LE(at)));
    read.push({
      offset: bytes.readDoubleLE(at + 5),
      flags: bytes[at + 4]!,
      timeMs: bytes.readDoubleLE(at + 13),
      text: Buffer.from(data).toString(),
      epoch,
    });
  }
  return read;
}

export const texts = (entries: Bytes): string[] => readEntries(entries).map((read) => read.text);
export const offsets = (entries: Bytes): number[] => readEntries(entries).map((read) => read.offset);
