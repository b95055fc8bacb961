import { expect, it } from 'vitest';
import { hash32 } from '../../src/lib/hash.js';

it('hashes into 32 bits, the same for the same text', () => {
  for (const text of ['', 'a', 'news', 'канал', '🎈'.repeat(50)]) {
    expect(hash32(text)).toBe(hash32(`${text}`));
    expect(Number.isInteger(hash32(text))).toBe(true);
    expect(hash32(text)).toBeGreaterThanOrEqual(0);
    expect(hash32(text)).toBeLessThan(2 ** 32);
  }
});

it.each([2, 3, 7, 16, 63])('spreads channels that differ by a number over %d owners', (owners) => {
  const channels = 20_000;
  const loads = Array<number>(owners).fill(0);
  for (let i = 0; i < channels; i++) loads[hash32(`user:#${i}`) % owners]!++;
  const fair = channels / owners;
  // Six standard deviations of a random placement.
  const tolerance = 6 * Math.sqrt(fair);
  for (const load of loads) expect(Math.abs(load - fair)).toBeLessThan(tolerance);
});
