import { describe, expect, it } from 'vitest';
import { countDistinct, SAMPLE_HASHES, sampleDistinct } from '../../src/lib/distinct.js';

const texts = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `user-${from + i}`);

describe('distinct', () => {
  it('is exact while samples are complete', () => {
    expect(countDistinct([])).toBe(0);
    expect(countDistinct([sampleDistinct([])])).toBe(0);
    expect(countDistinct([sampleDistinct(['a', 'b', 'a', '']), sampleDistinct(['b', 'c'])])).toBe(4);
    expect(countDistinct([sampleDistinct(texts(0, 3_000)), sampleDistinct(texts(1_000, 4_000))])).toBe(4_000);
  });

  it('estimates beyond, counting what parties share once', () => {
    const samples = [texts(0, 60_000), texts(30_000, 90_000), texts(50_000, 100_000)].map(sampleDistinct);
    for (const sample of samples) expect(sample).toHaveLength(SAMPLE_HASHES);
    const count = countDistinct(samples);
    expect(Math.abs(count - 100_000) / 100_000).toBeLessThan(0.05);
  });

  it('is the same sample however often the same texts come', () => {
    const all = texts(0, 20_000);
    expect(sampleDistinct([...all, ...all.reverse(), ...all])).toEqual(sampleDistinct(all));
    const few = texts(0, 10);
    expect(sampleDistinct(Array.from({ length: 10_000 }, (_, i) => few[i % 10]!))).toHaveLength(10);
  });

  it('has a hash without repetitions among many similar texts', () => {
    const all = texts(0, 200_000);
    const chunks = Array.from({ length: 100 }, (_, i) => sampleDistinct(all.slice(i * 2_000, (i + 1) * 2_000)));
    expect(new Set(chunks.flat()).size).toBe(200_000);
  });
});
