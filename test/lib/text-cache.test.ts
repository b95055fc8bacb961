import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TextCache } from '../../src/lib/text-cache.js';

it('is what decoding gives, whatever was asked for before', () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.constantFrom('a', 'b', 'x'.repeat(64), 'x'.repeat(65)),
  );
  fc.assert(
    fc.property(fc.array(text, { maxLength: 30 }), (texts) => {
      const cache = new TextCache();
      for (const expected of [...texts, ...texts]) {
        const bytes = Buffer.from(`<${expected}>`);
        expect(cache.text(bytes, 1, bytes.length - 1)).toBe(expected);
      }
    }),
    { seed: 7 },
  );
});

it('many more texts than there are places for', () => {
  const cache = new TextCache();
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 10_000; i++) {
      const bytes = Buffer.from(`channel:${i}`);
      expect(cache.text(bytes, 0, bytes.length)).toBe(`channel:${i}`);
      bytes.fill(0);
    }
  }
});
