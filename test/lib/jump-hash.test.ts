import { expect, test } from 'vitest';
import { fnv1a64 } from '../../src/lib/fnv.js';
import { jumpHash } from '../../src/lib/jump-hash.js';

const COUNTS = [1, 2, 3, 4, 7, 16, 100, 1000];
const LONG = 'a_very_long_channel_name_with_many_many_characters_in_it_0123456789_0123456789';

/** Made with Go: `hash/fnv` `New64a` and `consistentIndex` of the centrifuge library, for the numbers of buckets above. */
const vectors: readonly [channel: string, fnv: string, buckets: number[]][] = [
  ['', 'cbf29ce484222325', [0, 1, 1, 1, 1, 13, 90, 266]],
  ['a', 'af63dc4c8601ec8c', [0, 1, 2, 2, 2, 12, 31, 163]],
  ['chat', 'f2a38d910b5b348b', [0, 0, 0, 0, 4, 4, 79, 376]],
  ['chat:index', '4e648ca6baf3d6b9', [0, 0, 0, 0, 0, 0, 78, 817]],
  ['news:1', 'f028a66c3b3a225f', [0, 0, 0, 0, 0, 0, 50, 50]],
  ['$private:x', 'eeb019378c1c7c5c', [0, 0, 2, 2, 2, 14, 14, 14]],
  ['user#42', 'b99d91a5089d7a45', [0, 1, 2, 2, 2, 13, 69, 985]],
  ['héllo', 'a35ff71f960240e0', [0, 1, 1, 3, 4, 4, 81, 962]],
  ['日本語:チャット', '82bc47dcd6cd25ec', [0, 0, 0, 0, 0, 0, 82, 805]],
  ['😀', 'feff073875020288', [0, 0, 0, 0, 0, 13, 84, 84]],
  [LONG, '911477b540eec576', [0, 1, 1, 1, 6, 7, 71, 618]],
];

function fnv(text: string): string {
  const halves = new Uint32Array(2);
  fnv1a64(text, halves);
  return [...halves].map((half) => half.toString(16).padStart(8, '0')).join('');
}

test.each(vectors)('%j', (channel, hash, buckets) => {
  expect(fnv(channel)).toBe(hash);
  expect(COUNTS.map((count) => jumpHash(channel, count))).toEqual(buckets);
});

test('800,000 placements are those of Go, by their digest', () => {
  const all: number[] = [];
  for (let i = 0; i < 200_000; i++) for (const count of [3, 4, 10, 1024]) all.push(jumpHash(`channel:${i}`, count));
  expect(fnv(all.map((bucket) => `${bucket},`).join(''))).toBe('cec2d4f218fb4db3');
});
