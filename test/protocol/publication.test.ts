/** The hot push: its shortcut must not differ from the plain way by a byte. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InappropriatePayload } from '../../src/protocol/codec.js';
import { codecFor, jsonCodec, protobufCodec } from '../../src/protocol/codecs.js';
import { publication, text } from './arbitraries.js';

describe.each([jsonCodec, protobufCodec])('encodePublication, $name', (codec) => {
  test('equals encodePush', () => {
    fc.assert(
      fc.property(text, fc.boolean(), publication, fc.nat(3), (channel, bare, pub, big) => {
        // Also payloads whose length takes more bytes to say.
        const data = big === 0 ? Buffer.concat([pub.data, Buffer.alloc(200, ' ')]) : pub.data;
        const message = { ...pub, data };
        const head = codec.publicationHead(channel, bare);
        const expected = codec.encodePush({ channel, pub: message }, bare);
        expect(codec.encodePublication(head, message, bare, false).toString('latin1')).toBe(
          expected.toString('latin1'),
        );
      }),
      { seed: 1, numRuns: 1000 },
    );
  });

  test('a publication without data', () => {
    const pub = { offset: 1, data: Buffer.alloc(0) };
    const head = codec.publicationHead('c', false);
    expect(codec.encodePublication(head, pub, false, false)).toEqual(codec.encodePush({ channel: 'c', pub }));
  });

  test('is its own name', () => {
    expect(codecFor(codec.name)).toBe(codec);
  });
});

describe('encodePublication, JSON', () => {
  const head = jsonCodec.publicationHead('c', true);
  const encode = (data: Uint8Array, json?: boolean, dataAsString = false) =>
    jsonCodec.encodePublication(head, { offset: 0, data, json }, true, dataAsString).toString();

  test('data as a string is that payload, however long', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(3), (value, scale) => {
        const payload = value.repeat(10 ** scale);
        expect(JSON.parse(encode(Buffer.from(payload), false, true)).pub.data).toBe(payload);
      }),
      { seed: 1 },
    );
  });

  test('what is not known to be JSON is looked at, newlines go', () => {
    expect(encode(Buffer.from('{\n}'))).toBe('{"channel":"c","pub":{"data":{}}}');
    expect(() => encode(Buffer.from('{'))).toThrow(InappropriatePayload);
    expect(() => encode(Buffer.from('{'), false)).toThrow(InappropriatePayload);
    expect(encode(Buffer.from('{'), false, true)).toBe('{"channel":"c","pub":{"data":"{"}}');
  });

  test('a large payload', () => {
    const data = Buffer.from(JSON.stringify('x'.repeat(1 << 20)));
    expect(encode(data, true).length).toBe(data.length + '{"channel":"c","pub":{"data":}}'.length);
    expect(encode(data, true, true).length).toBe(data.length + '{"channel":"c","pub":{"data":"\\\\"}}'.length);
  });
});
