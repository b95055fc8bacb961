/** Whatever comes in, decoding ends: in commands or in MalformedFrame. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { putUvarint, uvarintBytes } from '../../src/lib/bytes.js';
import { type Codec, MalformedFrame } from '../../src/protocol/codec.js';
import { jsonCodec, protobufCodec } from '../../src/protocol/codecs.js';

const RUNS = 20_000;

function outcome(codec: Codec, frame: Buffer): 'commands' | 'malformed' {
  try {
    expect(codec.decode(frame).length).toBeGreaterThan(0);
    return 'commands';
  } catch (error) {
    if (error instanceof MalformedFrame) return 'malformed';
    throw error;
  }
}

const samples: Record<Codec['name'], Buffer[]> = {
  json: [
    '{"id":1,"connect":{"token":"t","data":{"a":[1,"\\u00e9"]},"subs":{"c":{"recover":true,"offset":3}},"headers":{"a":"b"}}}',
    '{"id":2,"subscribe":{"channel":"c","tf":{"op":"and","nodes":[{"key":"k","cmp":"in","vals":["a","b"]}]}}}\n{}',
    '{"id":4,"publish":{"channel":"c","data":[null,true,-1.5e3,{"é":"\\n"}]}}\n{"id":7,"history":{"limit":-1,"since":{"offset":300}}}',
  ].map((text) => Buffer.from(text)),
  protobuf: [
    '2a080122260a017412027b7d1a0c0a016312071801320165380322026a732a013132060a01611201623801',
    '3608022a320a016312017442027b7d4801500158016206666f7373696c6a140a036e6f74320d12016b1a02696e2201762a016170037801',
    '1c080752180a016338ffffffffffffffffff01420608ac021201654801000b08096a070a027b7d12016d',
  ].map((hex) => Buffer.from(hex, 'hex')),
};

/** A byte replaced, a stretch cut out, a piece inserted. */
function mutate(frame: Buffer, [at, kind, byte, length]: readonly [number, number, number, number]): Buffer {
  const pos = at % frame.length;
  const cut = kind === 1 ? length : kind === 0 ? 1 : 0;
  const piece =
    kind === 0 ? Buffer.of(byte) : kind === 2 ? frame.subarray(byte % frame.length).subarray(0, length) : [];
  return Buffer.concat([frame.subarray(0, pos), Buffer.from(piece), frame.subarray(pos + cut)]);
}

describe.each([jsonCodec, protobufCodec])('$name', (codec) => {
  test('mutated frames', () => {
    const seen = { commands: 0, malformed: 0 };
    const mutation = fc.tuple(fc.nat(), fc.nat(2), fc.nat(255), fc.integer({ min: 1, max: 20 }));
    fc.assert(
      fc.property(fc.nat(2), fc.array(mutation, { minLength: 1, maxLength: 4 }), (which, mutations) => {
        let frame = samples[codec.name][which]!;
        for (const one of mutations) if (frame.length > 0) frame = mutate(frame, one);
        seen[outcome(codec, frame)]++;
      }),
      { seed: 1, numRuns: RUNS },
    );
    // Both ends are reached often, so neither is left untested.
    expect(Math.min(seen.commands, seen.malformed)).toBeGreaterThan(RUNS / 50);
  });

  test('random frames', () => {
    const tokens = [
      '{',
      '}',
      '[',
      ']',
      '"',
      ':',
      ',',
      '\\',
      'null',
      '"id"',
      '1',
      '-',
      '\n',
      ' ',
      '"connect"',
      '\u0000',
    ];
    const text = fc.array(fc.constantFrom(...tokens), { maxLength: 30 }).map((parts) => Buffer.from(parts.join('')));
    const random = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(codec.name === 'json' ? fc.oneof(text, random) : random, (frame) => {
        outcome(codec, frame);
      }),
      { seed: 2, numRuns: RUNS },
    );
  });

  test('every truncation of a frame', () => {
    for (const frame of samples[codec.name]) {
      for (let length = 0; length < frame.length; length++) outcome(codec, frame.subarray(0, length));
    }
  });
});

test('filters nest only so far', () => {
  const field = (tag: number, content: Buffer) => {
    const out = Buffer.alloc(1 + uvarintBytes(content.length) + content.length);
    out[0] = tag;
    content.copy(out, putUvarint(out, 1, content.length));
    return out;
  };
  const frame = (levels: number) => {
    let filter: Buffer = Buffer.alloc(0);
    for (let i = 0; i < levels; i++) filter = field(0x32, filter);
    return field(0, field(0x2a, field(0x6a, filter))).subarray(1);
  };
  expect(outcome(protobufCodec, frame(200))).toBe('commands');
  expect(outcome(protobufCodec, frame(300))).toBe('malformed');
  expect(outcome(protobufCodec, frame(2_000))).toBe('malformed');
  expect(outcome(jsonCodec, Buffer.from(`{"subscribe":{"tf":${'{"nodes":['.repeat(20_000)}`))).toBe('malformed');
  expect(outcome(jsonCodec, Buffer.from(`{"publish":{"data":${'['.repeat(200_000)}`))).toBe('malformed');
});
