import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatDuration, parseDuration } from '../../src/config/duration.js';

test.each([
  ['25s', 25_000],
  ['1m30s', 90_000],
  ['1h2m3s4ms', 3_723_004],
  ['720h', 2_592_000_000],
  ['300ms', 300],
  ['1.5s', 1500],
  ['.5s', 500],
  ['1µs', 0.001],
  ['-1s', -1000],
  ['+1s', 1000],
  ['0', 0],
  [1_000_000_000, 1000],
  [-1, -0.000001],
])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBeCloseTo(ms, 9));

test.each(['', '5', 's', '1 s', '1d', '1s ', '--1s', '1m-30s', 'Infinity', Number.NaN])('%j is no duration', (text) =>
  expect(parseDuration(text)).toBeUndefined());

test.each([
  [0, '0s'],
  [90_000, '1m30s'],
  [5_400_000, '1h30m'],
  [2_592_000_000, '720h'],
  [1500, '1s500ms'],
  [0.5, '500000ns'],
  [-1000, '-1s'],
])('%d ms is written %s', (ms, text) => expect(formatDuration(ms)).toBe(text));

test('what is written is read as the same', () => {
  const property = fc.property(fc.integer({ min: -1e12, max: 1e12 }), (ms) => {
    expect(parseDuration(formatDuration(ms))).toBe(ms);
  });
  fc.assert(property, { seed: 1 });
});
