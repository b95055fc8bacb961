import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeClientInfo, encodeClientInfo } from '../../src/protocol/client-info.js';
import {
  decodeEntries,
  decodeEntry,
  ENTRY_DELTA,
  ENTRY_HEADER_BYTES,
  ENTRY_JSON,
  encodeEntry,
  entryFlags,
  entryFromProtobuf,
  entryLength,
  entryOffset,
  entryProtobuf,
  entryTime,
  entryWithEpoch,
  findEntry,
  forEachEntry,
  payloadFlags,
  setEntryOffset,
  setEntryTime,
} from '../../src/protocol/entry.js';
import type { ClientInfo } from '../../src/protocol/messages.js';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const bytes = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((b) => Buffer.from(b));
const info = fc.record<ClientInfo>({
  user: text,
  client: text,
  connInfo: fc.option(bytes, { nil: undefined }),
  chanInfo: fc.option(bytes, { nil: undefined }),
});
const publication = fc.record({
  data: bytes,
  info: fc.option(info, { nil: undefined }),
  tags: fc.option(fc.dictionary(text, text, { minKeys: 1, maxKeys: 5 }), { nil: undefined }),
  version: fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), { nil: undefined }),
});

describe('entry', () => {
  test('layout', () => {
    const entry = encodeEntry({ data: Buffer.from('{}'), tags: { a: 'b' } }, ENTRY_JSON | ENTRY_DELTA);
    setEntryOffset(entry, 1);
    setEntryTime(entry, 2);
    const publication = '22027b7d' + '3a060a0161120162';
    expect(entry.toString('hex')).toBe(`21000000${'03'}000000000000f03f0000000000000040${publication}`);
    expect(entryProtobuf(entry).toString('hex')).toBe(publication);
  });

  test('what is encoded is decoded, as views, wherever it lies', () => {
    fc.assert(
      fc.property(publication, fc.nat(), fc.nat(30), (pub, offset, at) => {
        const encoded = encodeEntry(pub, ENTRY_JSON);
        const slab = Buffer.from(new SharedArrayBuffer(at + encoded.length + 5));
        encoded.copy(slab, at);
        setEntryOffset(slab, offset, at);
        setEntryTime(slab, 1700000000000, at);
        expect(entryLength(slab, at)).toBe(encoded.length);
        expect(entryFlags(slab, at)).toBe(ENTRY_JSON);
        expect(entryOffset(slab, at)).toBe(offset);
        expect(entryTime(slab, at)).toBe(1700000000000);
        const decoded = decodeEntry(slab.subarray(at, at + encoded.length));
        expect(decoded).toEqual({ ...pub, offset, json: true });
        expect(decoded.data.buffer).toBe(slab.buffer);
      }),
      { seed: 1 },
    );
  });

  test('info may be given encoded', () => {
    const info = { user: 'u', client: 'c', connInfo: Buffer.from('1'), chanInfo: undefined };
    const data = Buffer.from('x');
    expect(encodeEntry({ data, info: encodeClientInfo(info) }, 0).equals(encodeEntry({ data, info }, 0))).toBe(true);
    expect(decodeClientInfo(encodeClientInfo(info))).toEqual(info);
  });

  test('the first of a stream is told its epoch', () => {
    const entry = encodeEntry({ data: Buffer.from('1'), version: 3 }, ENTRY_JSON);
    setEntryOffset(entry, 1);
    setEntryTime(entry, 5);
    const first = entryWithEpoch(entry, 'abcd');
    expect(decodeEntry(first)).toEqual({ ...decodeEntry(entry), epoch: 'abcd' });
    expect([entryLength(first), entryFlags(first), entryTime(first)]).toEqual([entry.length + 6, ENTRY_JSON, 5]);
  });

  test('entries of a concatenation, in order; a cut one is an error', () => {
    const all = Buffer.concat(['1', '[2]', '"3"'].map((data) => encodeEntry({ data: Buffer.from(data) }, ENTRY_JSON)));
    expect(decodeEntries(all).map((pub) => pub.data.toString())).toEqual(['1', '[2]', '"3"']);
    expect(decodeEntries(Buffer.alloc(0))).toEqual([]);
    for (let cut = 1; cut < ENTRY_HEADER_BYTES + 3; cut++) {
      expect(() => forEachEntry(all.subarray(0, all.length - cut), () => {})).toThrow(RangeError);
    }
    expect(() => forEachEntry(Buffer.alloc(50), () => {})).toThrow(RangeError);
  });

  test('an entry is found by its offset', () => {
    const entries = [4, 5, 6].map((offset) => {
      const entry = encodeEntry({ data: Buffer.from('x'.repeat(offset)) }, 0);
      setEntryOffset(entry, offset);
      return entry;
    });
    const all = Buffer.concat(entries);
    const ends = [0, entries[0]!.length, entries[0]!.length + entries[1]!.length];
    expect([4, 5, 6].map((offset) => findEntry(all, offset))).toEqual(ends);
    expect([3, 7, 100].map((offset) => findEntry(all, offset))).toEqual([all.length, all.length, all.length]);
    expect(findEntry(Buffer.alloc(0), 1)).toBe(0);
    const newestFirst = Buffer.concat(entries.toReversed());
    expect(findEntry(newestFirst, 6)).toBe(0);
  });

  test('a publication of another node: unknown fields and its own offset are ignored, its time is kept', () => {
    // data, offset = 9, delta, time = 5, channel, key, score
    const foreign = Buffer.from('2202' + '7b7d' + '3009' + '4001' + '4805' + '520163' + '5a016b' + '6801', 'hex');
    const entry = entryFromProtobuf(foreign, 7, ENTRY_DELTA);
    expect(decodeEntry(entry)).toEqual({ offset: 7, data: Buffer.from('{}'), json: true });
    expect(entryFlags(entry)).toBe(ENTRY_JSON | ENTRY_DELTA);
    expect(entryTime(entry)).toBe(5);
    expect(entryProtobuf(entry).equals(foreign)).toBe(true);
  });

  test('payload flags', () => {
    expect(payloadFlags(Buffer.from('{"a": 1}'))).toBe(ENTRY_JSON);
    expect(payloadFlags(Buffer.from('{"a":\n1}'))).toBe(0);
    expect(payloadFlags(Buffer.from('{"a": }'))).toBe(0);
    expect(payloadFlags(Buffer.from([0xff, 0x00]))).toBe(0);
  });
});
