import { describe, expect, test } from 'vitest';
import { HashRing, type RingMember, ringPoint } from '../../src/lib/hash-ring.js';

const members = (...names: string[]): RingMember[] => names.map((name) => ({ name, weight: 1 }));
const channels = Array.from({ length: 100_000 }, (_, i) => `chat:room-${i}`);

/** Name of the member of each channel. */
function place(list: readonly RingMember[]): string[] {
  const ring = new HashRing(list);
  return channels.map((channel) => list[ring.memberOf(channel)]!.name);
}

const share = (placed: readonly string[], name: string): number =>
  placed.filter((it) => it === name).length / placed.length;

const before = place(members('0', '1', '2'));

test('points are the same in every process and version', () => {
  expect(['', 'a', 'chat:index', 'héllo', '😀'].map(ringPoint)).toEqual([
    3323002737, 1987926311, 3216636707, 560518553, 260251093,
  ]);
  expect(before.slice(0, 24).join('')).toBe('020201211122001110201222');
});

test.each([
  ['0', '1', '2', '3'],
  ['a', 'b', 'c', 'd'],
  ['redis-0', 'redis-1', 'redis-2', 'redis-3'],
])('a fourth of equals takes a quarter, and nothing moves between the others (%s …)', (...names) => {
  const old = place(members(...names.slice(0, 3)));
  const now = place(members(...names));
  expect(Math.abs(share(now, names[3]!) - 0.25)).toBeLessThan(0.02);
  expect(now.filter((name, i) => name !== names[3] && name !== old[i])).toEqual([]);
});

test('one that leaves gives only its own away, to all others', () => {
  const after = place(members('0', '2'));
  expect(after.filter((name, i) => before[i] !== '1' && name !== before[i])).toEqual([]);
  const given = after.filter((_, i) => before[i] === '1');
  expect(Math.abs(share(given, '0') - 0.5)).toBeLessThan(0.05);
});

describe('weights', () => {
  test('are shares', () => {
    const placed = place([
      { name: 'small', weight: 1 },
      { name: 'medium', weight: 2 },
      { name: 'large', weight: 5 },
    ]);
    expect(Math.abs(share(placed, 'small') - 1 / 8)).toBeLessThan(0.02);
    expect(Math.abs(share(placed, 'medium') - 2 / 8)).toBeLessThan(0.02);
    expect(Math.abs(share(placed, 'large') - 5 / 8)).toBeLessThan(0.02);
  });

  test('one that gets heavier only takes', () => {
    const after = place([...members('0', '1'), { name: '2', weight: 2 }]);
    expect(after.filter((name, i) => name !== '2' && name !== before[i])).toEqual([]);
    expect(Math.abs(share(after, '2') - 0.5)).toBeLessThan(0.02);
  });
});

test('the order of members does not matter, their names do', () => {
  expect(place(members('2', '0', '1'))).toEqual(before);
  expect(place(members('x', '1', '2'))).not.toEqual(before.map((name) => (name === '0' ? 'x' : name)));
});

test('a ring of one has everything', () => {
  expect(share(place(members('only')), 'only')).toBe(1);
});
