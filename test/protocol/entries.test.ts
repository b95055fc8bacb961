/** Replies with entries: the same bytes as with the publications that are in them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { history } from '../../src/api/history.js';
import { InappropriatePayload } from '../../src/protocol/codec.js';
import { jsonCodec, protobufCodec } from '../../src/protocol/codecs.js';
import {
  decodeEntries,
  ENTRY_JSON,
  encodeEntry,
  entryWithEpoch,
  payloadFlags,
  setEntryOffset,
} from '../../src/protocol/entry.js';
import { JsonWriter } from '../../src/protocol/json-writer.js';
import type { Publications } from '../../src/protocol/messages.js';
import { publication } from './arbitraries.js';

const entry = fc
  .record({ pub: publication, offset: fc.nat(), plain: fc.boolean(), first: fc.nat(5), blanks: fc.nat(300) })
  .map(({ pub: { data, info, tags, version }, offset, plain, first, blanks }) => {
    const padded = Buffer.concat([data, Buffer.alloc(data.length > 0 ? blanks : 0, ' ')]);
    const encoded = encodeEntry(plain ? { data: padded } : { data: padded, info, tags, version }, payloadFlags(padded));
    setEntryOffset(encoded, offset);
    return first === 0 ? entryWithEpoch(encoded, 'epoch') : encoded;
  });
const entries = fc.array(entry, { maxLength: 4 }).map((all) => Buffer.concat(all));

const replies = (publications: Publications) => [
  { id: 1, subscribe: { publications, recovered: true } },
  { id: 2, subscribe: { publications, delta: true, dataAsString: true } },
  { id: 3, history: { publications, offset: 3, epoch: 'e' } },
  { id: 4, connect: { client: 'c', version: 'v', subs: { a: { publications } } } },
];

describe.each([jsonCodec, protobufCodec])('entries in replies, $name', (codec) => {
  test('are written as the publications that they hold', () => {
    fc.assert(
      fc.property(entries, (all) => {
        const expected = replies(decodeEntries(all)).map((reply) => codec.encodeReply(reply).toString('latin1'));
        expect(replies({ bytes: all }).map((reply) => codec.encodeReply(reply).toString('latin1'))).toEqual(expected);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test('for many are encoded once', () => {
    const bytes = encodeEntry({ data: Buffer.from('{"a":1}') }, ENTRY_JSON);
    const publications = { bytes, encoded: new Map<string, Uint8Array>() };
    const [first] = replies(publications).map((reply) => codec.encodeReply(reply).toString('latin1'));
    bytes.fill(0, bytes.length - 7);
    expect(codec.encodeReply(replies(publications)[0]!).toString('latin1')).toBe(first);
  });

  test('that are cut off are an error', () => {
    const whole = encodeEntry({ data: Buffer.from('{"a":1}') }, ENTRY_JSON);
    for (const cut of [1, 7]) {
      const publications = { bytes: whole.subarray(0, whole.length - cut) };
      expect(() => codec.encodeReply({ id: 1, subscribe: { publications } })).toThrow(RangeError);
    }
  });
});

test('what is not known to be JSON is looked at, newlines go', () => {
  const encode = (data: string) =>
    jsonCodec.encodeReply({
      id: 1,
      subscribe: { publications: { bytes: encodeEntry({ data: Buffer.from(data) }, 0) } },
    });
  expect(encode('{\n}').toString()).toBe('{"id":1,"subscribe":{"publications":[{"data":{}}]}}');
  expect(() => encode('{')).toThrow(InappropriatePayload);
});

test('the API shows entries as it shows publications', () => {
  const shown = (publications: Publications): string => {
    const w = new JsonWriter();
    history.write(w, { publications, offset: 1, epoch: 'e' });
    return w.copy().toString();
  };
  fc.assert(
    fc.property(entries, (all) => void expect(shown({ bytes: all })).toBe(shown(decodeEntries(all)))),
    { seed: 1 },
  );
});
