import { expect, test } from 'vitest';
import { configSchema } from '../../../src/config/config.js';
import { readShards, type ShardList } from '../../../src/config/redis/shards.js';
import { fingerprint, placementFingerprint, placementOf } from '../../../src/engine/redis/sharding.js';
import { jumpHash } from '../../../src/lib/jump-hash.js';

function list(sharding: string, ...address: string[]): ShardList {
  const { engine } = configSchema.parse({ engine: { redis: { sharding, address } } });
  return readShards(engine.redis, 'engine.redis', (at, problem) => expect.unreachable(`${at}: ${problem}`));
}

const channels = Array.from({ length: 1000 }, (_, i) => `chat:${i}`);
const place = (shards: ShardList): number[] => {
  const placement = placementOf(shards);
  return channels.map((channel) => placement.shardFor(channel));
};

test('jump goes by number', () => {
  expect(place(list('jump', 'a:1', 'b:1', 'c:1'))).toEqual(channels.map((channel) => jumpHash(channel, 3)));
});

test('the ring goes by name, wherever the shard is in the list and in the network', () => {
  const before = place(list('ring', 'a:1', 'b:1', 'c:1'));
  const numbers = [2, 0, 1];
  const moved = list('ring', 'redis://x:1?shard_name=2', 'redis://y:1?shard_name=0', 'redis://z:1?shard_name=1');
  expect(place(moved).map((shard) => numbers[shard])).toEqual(before);
  expect(new Set(before)).toEqual(new Set([0, 1, 2]));
});

test('one shard has everything', () => {
  for (const mode of ['ring', 'jump']) expect(new Set(place(list(mode, 'a:1')))).toEqual(new Set([0]));
});

test('fingerprints are equal where every channel is in the same Redis', () => {
  const ring = fingerprint(list('ring', 'redis://:secret@a:1', 'b:1'));
  expect(ring).toMatch(/^[0-9a-f]{16}$/);
  expect(fingerprint(list('ring', 'redis://b:1?shard_name=1', 'redis://a:1?shard_name=0&io_timeout=9s'))).toBe(ring);
  expect(fingerprint(list('ring', 'a:1'))).toBe(fingerprint(list('jump', 'a:1')));
  const others = [
    list('jump', 'a:1', 'b:1'),
    list('jump', 'b:1', 'a:1'),
    list('ring', 'a:1'),
    list('ring', 'a:1', 'c:1'),
    list('ring', 'a:1', 'redis://b:1/1'),
    list('ring', 'a:1', 'redis://b:1?shard_name=b'),
    list('ring', 'a:1', 'redis://b:1?shard_weight=2'),
    list('ring', 'a:1', 'b:1', 'c:1'),
  ].map(fingerprint);
  expect(new Set([ring, ...others]).size).toBe(others.length + 1);
});

test('a node tells the fingerprints of broker and presence', () => {
  const of = (config: object) => placementFingerprint(configSchema.parse(config));
  const [a, b] = [['a:1'], ['b:1']].map((address) => ({ type: 'redis', redis: { address } }));
  const one = fingerprint(list('ring', 'a:1'));
  expect(of({})).toBe('-');
  expect(of({ engine: a })).toBe(`${one}-${one}`);
  expect(of({ broker: { enabled: true, ...a } })).toBe(`${one}-`);
  expect(of({ engine: a, presence_manager: { enabled: true, ...b } })).toBe(
    `${one}-${fingerprint(list('ring', 'b:1'))}`,
  );
  // The former list does not matter: channels are where the present one says in the end.
  expect(of({ engine: { type: 'redis', redis: { address: ['a:1'], previous_address: ['b:1'] } } })).toBe(
    of({ engine: a }),
  );
});
