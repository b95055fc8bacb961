import { expect, test } from 'vitest';
import { BoundedCache } from '../../src/lib/bounded-cache.js';

test('keeps what is used and forgets what is not, within its bound', () => {
  const cache = new BoundedCache<number, number>(10);
  for (let i = 0; i < 1000; i++) {
    cache.set(i, i * 2);
    expect(cache.get(0)).toBe(0);
    expect(cache.size).toBeLessThanOrEqual(20);
  }
  expect(cache.get(999)).toBe(1998);
  expect(cache.get(1)).toBeUndefined();
});

test('set replaces, delete removes from both generations', () => {
  const cache = new BoundedCache<string, number>(1);
  cache.set('a', 1);
  cache.set('a', 2);
  expect(cache.get('a')).toBe(2);
  cache.set('b', 3);
  expect(cache.get('a')).toBe(2);
  cache.delete('a');
  expect(cache.get('a')).toBeUndefined();
  expect(() => new BoundedCache(0)).toThrow(RangeError);
});

test('values may have weights', () => {
  const cache = new BoundedCache<string, string>(10, (value) => value.length);
  cache.set('large', 'x'.repeat(11));
  expect(cache.get('large')).toBeUndefined();
  cache.set('a', 'x'.repeat(9));
  cache.set('a', 'x'.repeat(8));
  cache.set('b', 'xx');
  expect([cache.get('a')?.length, cache.size]).toEqual([8, 2]);
  cache.set('c', 'x'.repeat(10));
  expect([cache.get('a')?.length, cache.get('b')]).toEqual([8, undefined]);
});
