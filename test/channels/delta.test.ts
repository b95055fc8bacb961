import fc from 'fast-check';
import { applyDelta, createDelta as referenceDelta } from 'fossil-delta';
import { describe, expect, test } from 'vitest';
import { createDelta } from '../../src/channels/delta.js';

const bytes = (text: string): Buffer => Buffer.from(text);
const apply = (base: Uint8Array, delta: Uint8Array): Buffer => Buffer.from(applyDelta(base, delta));

/** What a client on a JSON connection makes of a delta: it arrives as text. */
const throughText = (delta: Uint8Array): Buffer => {
  const text = JSON.parse(JSON.stringify(Buffer.from(delta).toString())) as string;
  return Buffer.from(text);
};

describe('createDelta', () => {
  test.each([
    ['nothing from nothing', '', '', '0\n0:0;'],
    ['a short base is never copied from', 'line', 'line 2', '6\n6:line 22Cbrua;'],
    ['nothing from something', 'a base of more than sixteen bytes', '', '0\n0;'],
  ])('%s', (_, base, target, expected) => {
    expect(Buffer.from(createDelta(bytes(base), bytes(target))).toString()).toBe(expected);
  });

  test('unchanged text is one copy', () => {
    const text = bytes('{"symbol":"ABC","price":10.25,"volume":1000}');
    const delta = Buffer.from(createDelta(text, text)).toString();
    expect(delta).toMatch(/^h\nh@0,[0-9A-Za-z_~]+;$/);
  });

  test('is byte for byte the reference for ASCII payloads', () => {
    // The reference rounds its table up, so sizes are multiples of the block, where both agree.
    const base = bytes(
      JSON.stringify({ rows: Array.from({ length: 40 }, (_, id) => ({ id, price: id * 3 })) }).padEnd(1024),
    );
    const target = bytes(base.toString().replace('"price":30', '"price":31').replace('"id":7', '"id":70'));
    expect(Buffer.from(createDelta(base, target))).toEqual(Buffer.from(referenceDelta(base, target)));
  });

  test('applies to give the target, whatever the bytes', () => {
    const payload = fc.oneof(fc.uint8Array({ maxLength: 400 }), fc.uint8Array({ maxLength: 400, min: 0, max: 1 }));
    fc.assert(
      fc.property(payload, payload, (base, target) => {
        const delta = createDelta(base, target);
        expect(apply(base, delta)).toEqual(Buffer.from(target));
        expect(delta.length).toBeLessThanOrEqual(target.length + 24);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test('applies after edits of a shared text, also when it travelled as a JSON string', () => {
    const piece = fc.string({ unit: 'binary', maxLength: 30 });
    const common = fc.array(piece, { minLength: 4, maxLength: 30 });
    fc.assert(
      fc.property(common, piece, piece, fc.nat(), (pieces, inserted, replaced, at) => {
        const edited = [...pieces];
        edited.splice(at % pieces.length, 1, replaced);
        edited.splice((at * 7) % pieces.length, 0, inserted);
        const base = bytes(pieces.join('|'));
        const target = bytes(edited.join('|'));
        expect(apply(base, throughText(createDelta(base, target)))).toEqual(target);
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  test('a change within a character is sent as the whole character', () => {
    const base = bytes('{"greeting":"a long way to the café au lait"}');
    const target = bytes('{"greeting":"a long way to the cafè au lait"}');
    const delta = createDelta(base, target);
    expect(delta.length).toBeLessThan(target.length);
    expect(apply(base, throughText(delta))).toEqual(target);
    // The case is real: without regard to characters the text form is broken.
    expect(() => apply(base, throughText(referenceDelta(base, target)))).toThrow();
  });

  test('payloads beyond the scratch buffers', () => {
    const base = Buffer.alloc(200_000, 'abcdefghijklmnopqrstuvwxyz0123456789');
    const target = Buffer.concat([base.subarray(0, 90_000), bytes('changed'), base.subarray(100_000)]);
    const delta = createDelta(base, target);
    expect(delta.length).toBeLessThan(1000);
    expect(apply(base, delta).equals(target)).toBe(true);
  });

  test('the result is the caller’s to keep', () => {
    const base = bytes('some text that is more than sixteen bytes long');
    const first = createDelta(base, bytes('some text that is more than seventeen bytes long'));
    const copy = Buffer.from(first);
    createDelta(base, bytes('another text that is more than sixteen bytes long'));
    expect(Buffer.from(first)).toEqual(copy);
  });
});
