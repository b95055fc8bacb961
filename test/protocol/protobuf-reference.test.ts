/** The hand-written Protobuf code against protobufjs, in both directions. */
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { decodeClientInfo, encodeClientInfo } from '../../src/protocol/client-info.js';
import { encodeEntry, entryProtobuf } from '../../src/protocol/entry.js';
import { protobufCodec } from '../../src/protocol/protobuf.js';
import { command, info, publication, push, reply, wire } from './arbitraries.js';

const root = protobuf.loadSync(fileURLToPath(new URL('client.proto', import.meta.url)));
const type = (name: string) => root.lookupType(`gyre.test.${name}`);

const encode = (name: string, value: unknown): Buffer =>
  Buffer.from(
    type(name)
      .encode(type(name).fromObject(value as object))
      .finish(),
  );
const encodeDelimited = (name: string, value: unknown): Buffer =>
  Buffer.from(
    type(name)
      .encodeDelimited(type(name).fromObject(value as object))
      .finish(),
  );
const decodeDelimited = (name: string, bytes: Uint8Array): unknown =>
  wire(type(name).toObject(type(name).decodeDelimited(bytes), { longs: Number }));

const runs = { seed: 1, numRuns: 500 };

describe('against protobufjs', () => {
  test('commands are decoded', () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 3 }), (commands) => {
        const frame = Buffer.concat(commands.map((one) => encodeDelimited('Command', one)));
        expect(protobufCodec.decode(frame).map(wire)).toEqual(commands.map(wire));
      }),
      runs,
    );
  });

  test('replies are encoded, byte for byte', () => {
    fc.assert(
      fc.property(reply, (message) => {
        const encoded = protobufCodec.encodeReply(message);
        expect(decodeDelimited('Reply', encoded)).toEqual(wire(message));
        expect(encoded.toString('hex')).toBe(encodeDelimited('Reply', wire(message)).toString('hex'));
      }),
      runs,
    );
  });

  test('pushes are encoded, byte for byte, in a reply and bare', () => {
    fc.assert(
      fc.property(push, (message) => {
        const expected = wire(message);
        const bare = protobufCodec.encodePush(message, true);
        expect(decodeDelimited('Push', bare)).toEqual(expected);
        expect(bare.toString('hex')).toBe(encodeDelimited('Push', expected).toString('hex'));
        const inReply = protobufCodec.encodePush(message);
        expect(inReply.toString('hex')).toBe(encodeDelimited('Reply', { push: expected }).toString('hex'));
      }),
      runs,
    );
  });

  test('entries hold a Publication, presence a ClientInfo', () => {
    fc.assert(
      fc.property(publication, info, (pub, one) => {
        const { data, info, tags, version } = pub;
        const stored = entryProtobuf(encodeEntry(pub, 0));
        expect(stored.toString('hex')).toBe(encode('Publication', wire({ data, info, tags, version })).toString('hex'));
        const encoded = encodeClientInfo(one);
        expect(encoded.toString('hex')).toBe(encode('ClientInfo', wire(one)).toString('hex'));
        expect(wire(decodeClientInfo(encoded))).toEqual(wire(one));
      }),
      runs,
    );
  });
});
