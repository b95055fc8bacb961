import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { carryOver, type KeysAt, resultAt, whereIs } from '../../../src/engine/redis/carry-over.js';
import type { ReplyHandler, Script, Shard } from '../../../src/engine/redis/shard.js';
import { errors } from '../../../src/protocol/codes.js';
import { type RedisServer, startRedis } from '../../support/redis.js';
import { ShardRig, standalone } from './shard-rig.js';

const keys: KeysAt = (_shard, channel) => ({
  data: `stream.${channel}`,
  meta: `meta.${channel}`,
  result: (key) => `result.${channel}.${key}`,
});

let oldServer: RedisServer;
let newServer: RedisServer;
let oldRig: ShardRig;
let newRig: ShardRig;

beforeAll(async () => {
  [oldServer, newServer] = await Promise.all([startRedis(), startRedis()]);
  [oldRig, newRig] = [oldServer, newServer].map((server) => new ShardRig(standalone(server))) as [ShardRig, ShardRig];
  await Promise.all([oldRig.healthy(), newRig.healthy()]);
});

afterAll(async () => {
  oldRig.shard.close();
  newRig.shard.close();
  await Promise.all([oldServer.stop(), newServer.stop()]);
});

beforeEach(async () => {
  await Promise.all([oldServer.client.flushall(), newServer.client.flushall()]);
});

const carry = (from: Shard = oldRig.shard, to: Shard = newRig.shard) => carryOver('ch', from, to, keys);
const where = () => whereIs('ch', oldRig.shard, newRig.shard, keys);

async function makeStream(server: RedisServer, epoch = 'E1'): Promise<void> {
  await server.client.hset('meta.ch', { e: epoch, s: '7', v: '12', ve: 'x' });
  await server.client.pexpire('meta.ch', 500_000);
  for (const offset of [5, 6, 7]) await server.client.xadd('stream.ch', `${offset}-0`, 'd', `publication ${offset}`);
  await server.client.pexpire('stream.ch', 60_000);
}

const entriesOf = (server: RedisServer) => server.client.xrange('stream.ch', '-', '+');
const ENTRIES = [5, 6, 7].map((offset) => [`${offset}-0`, ['d', `publication ${offset}`]]);

/** A shard at which something is done before a script, or the script fails. */
function disturbed(shard: Shard, name: string, disturb: () => Promise<void>): Shard {
  return {
    name: shard.name,
    isCluster: false,
    server: shard.server,
    healthy: true,
    command: (key, args, handler) => shard.command(key, args, handler),
    script(script: Script, names, args, handler: ReplyHandler) {
      const go = () => shard.script(script, names, args, handler);
      if (script.name === name) disturb().then(go, () => handler.fail(errors.internal));
      else go();
    },
    subscribe: (channel) => shard.subscribe(channel),
    unsubscribe: (channel) => shard.unsubscribe(channel),
    feed: () => 'up',
    settled: Promise.resolve(),
    close() {},
  };
}

const away = async (): Promise<void> => {
  throw new Error('away');
};

test('a stream goes on elsewhere with everything that belongs to it, and leaves a fence', async () => {
  await makeStream(oldServer);
  expect(await where()).toBe('old');
  await carry();
  const { carried, carried_e, carried_s, ...meta } = await newServer.client.hgetall('meta.ch');
  expect([carried_e, carried_s]).toEqual(['E1', '7']);
  expect(meta).toEqual({ e: 'E1', s: '7', v: '12', ve: 'x' });
  expect(await entriesOf(newServer)).toEqual(ENTRIES);
  expect(await newServer.client.pttl('meta.ch')).toBeGreaterThan(400_000);
  expect(await newServer.client.pttl('meta.ch')).toBeLessThanOrEqual(500_000);
  expect(await newServer.client.pttl('stream.ch')).toBeLessThanOrEqual(60_000);
  expect(await newServer.client.pttl('stream.ch')).toBeGreaterThan(40_000);

  expect(await oldServer.client.hgetall('meta.ch')).toEqual({ moved: carried });
  expect(await oldServer.client.pttl('meta.ch')).toBeGreaterThan(3_000_000);
  expect(await oldServer.client.exists('stream.ch')).toBe(0);
  expect(await where()).toBe('moved');
  // Numbering goes on.
  expect(await newServer.client.xadd('stream.ch', '8-0', 'd', 'next')).toBe('8-0');
});

test('a list keeps its order, and what never expires does not', async () => {
  await oldServer.client.hset('meta.ch', { e: 'E1', s: '2' });
  await oldServer.client.lpush('stream.ch', '__p1:1:E1__a', '__p1:2:E1__b');
  await carry();
  expect(await newServer.client.lrange('stream.ch', 0, -1)).toEqual(['__p1:2:E1__b', '__p1:1:E1__a']);
  expect(await newServer.client.hgetall('meta.ch')).toMatchObject({ e: 'E1', s: '2' });
  expect(await newServer.client.pttl('meta.ch')).toBe(-1);
  expect(await newServer.client.pttl('stream.ch')).toBe(-1);
});

test('payloads are bytes', async () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await oldServer.client.hset('meta.ch', { e: 'E1', s: '1' });
  await oldServer.client.xadd('stream.ch', '1-0', 'd', bytes);
  await carry();
  const [[, [, value]]] = (await newServer.client.xrangeBuffer('stream.ch', '-', '+')) as [[Buffer, [Buffer, Buffer]]];
  expect(value).toEqual(bytes);
});

test('a position without publications is carried over too', async () => {
  await oldServer.client.hset('meta.ch', { e: 'E1', s: '7' });
  await carry();
  expect(await newServer.client.hgetall('meta.ch')).toMatchObject({ e: 'E1', s: '7' });
  expect(await newServer.client.exists('stream.ch')).toBe(0);
});

describe('a channel without stream', () => {
  test('is fenced for a while, and later found at the new shard', async () => {
    expect(await where()).toBe('old');
    await carry();
    expect(await where()).toBe('moved');
    expect(await oldServer.client.pttl('meta.ch')).toBeGreaterThan(3_000_000);
    expect(await newServer.client.hkeys('meta.ch')).toEqual(['carried', 'carried_e', 'carried_s']);
    await newServer.client.hset('meta.ch', { e: 'E2', s: '1' });
    await carry();
    expect(await newServer.client.hgetall('meta.ch')).toMatchObject({ e: 'E2', s: '1' });
    await oldServer.client.del('meta.ch');
    expect(await where()).toBe('new');
  });

  test('is not taken for one that was left behind at the new shard', async () => {
    await makeStream(newServer);
    expect(await where()).toBe('old');
  });
});

describe('interrupted', () => {
  test.each([
    ['put', 'new'],
    ['drop', 'old'],
  ])('before %s nothing is lost, and any node finishes', async (step, side) => {
    await makeStream(oldServer);
    const [from, to] = [oldRig.shard, newRig.shard];
    const interrupted =
      side === 'new' ? carry(from, disturbed(to, step, away)) : carry(disturbed(from, step, away), to);
    await expect(interrupted).rejects.toBe(errors.internal);
    expect(await where()).toBe('moved');
    expect(await entriesOf(oldServer)).toEqual(ENTRIES);
    await carry();
    expect(await entriesOf(newServer)).toEqual(ENTRIES);
    expect(await newServer.client.hget('meta.ch', 'e')).toBe('E1');
    expect(await oldServer.client.exists('stream.ch')).toBe(0);
  });

  test('a node that was held up does not put back what is over', async () => {
    await makeStream(oldServer);
    const late = disturbed(newRig.shard, 'put', async () => {
      await carry();
      await newServer.client.hset('meta.ch', 's', '8');
      await newServer.client.xadd('stream.ch', '8-0', 'd', 'publication 8');
    });
    await carry(oldRig.shard, late);
    expect(await newServer.client.hget('meta.ch', 's')).toBe('8');
    expect(await entriesOf(newServer)).toEqual([...ENTRIES, ['8-0', ['d', 'publication 8']]]);
    expect(await oldServer.client.exists('stream.ch')).toBe(0);
  });

  test('many at once are as one', async () => {
    await makeStream(oldServer);
    await Promise.all(Array.from({ length: 20 }, () => carry()));
    expect(await entriesOf(newServer)).toEqual(ENTRIES);
  });
});

describe('when a failover at the old shard loses the fence', () => {
  async function loseFence(): Promise<void> {
    await makeStream(oldServer);
    await carry();
    await newServer.client.hset('meta.ch', 's', '8');
    await newServer.client.xadd('stream.ch', '8-0', 'd', 'publication 8');
    await oldServer.client.flushall();
    await makeStream(oldServer);
  }
  const LATER = [...ENTRIES, ['8-0', ['d', 'publication 8']]];

  test('the stream at the new shard goes on', async () => {
    await loseFence();
    expect(await where()).toBe('moved');
    await carry();
    expect(await newServer.client.hgetall('meta.ch')).toMatchObject({ e: 'E1', s: '8' });
    expect(await entriesOf(newServer)).toEqual(LATER);
    expect(await where()).toBe('moved');
    expect(await oldServer.client.hkeys('meta.ch')).toEqual(['moved']);
  });

  test('and something was added there, it goes on with another epoch', async () => {
    await loseFence();
    await oldServer.client.hset('meta.ch', 's', '8');
    await oldServer.client.xadd('stream.ch', '8-0', 'd', 'another 8');
    await carry();
    const { e, s } = await newServer.client.hgetall('meta.ch');
    expect([e === 'E1', s]).toEqual([false, '8']);
    expect(await entriesOf(newServer)).toEqual(LATER);
    expect(await oldServer.client.exists('stream.ch')).toBe(0);
    await carry();
    expect(await newServer.client.hget('meta.ch', 'e')).toBe(e);
  });
});

test('what was left behind at the new shard gives way', async () => {
  await newServer.client.hset('meta.ch', { e: 'E0', s: '99', v: '99', stale: '1' });
  await newServer.client.xadd('stream.ch', '99-0', 'd', 'stale');
  await makeStream(oldServer);
  await carry();
  const { carried, carried_e, carried_s, ...meta } = await newServer.client.hgetall('meta.ch');
  expect(carried).toMatch(/^[0-9a-f]{16}$/);
  expect(meta).toEqual({ e: 'E1', s: '7', v: '12', ve: 'x' });
  expect(await entriesOf(newServer)).toEqual(ENTRIES);
});

test('a channel comes back, with its stream or without', async () => {
  await makeStream(oldServer);
  await carry();
  await carry(newRig.shard, oldRig.shard);
  expect(await oldServer.client.hgetall('meta.ch')).toMatchObject({ e: 'E1', s: '7' });
  expect(await oldServer.client.hexists('meta.ch', 'moved')).toBe(0);
  expect(await entriesOf(oldServer)).toEqual(ENTRIES);
  expect(await newServer.client.hkeys('meta.ch')).toEqual(['moved']);

  await oldServer.client.del('meta.ch', 'stream.ch');
  await carry();
  expect(await newServer.client.hkeys('meta.ch')).toEqual(['carried', 'carried_e', 'carried_s']);
});

test('two names of one server do no harm', async () => {
  await makeStream(oldServer);
  const alias = new ShardRig(standalone(oldServer));
  await alias.healthy();
  for (let i = 0; i < 2; i++) await carry(oldRig.shard, alias.shard);
  alias.shard.close();
  expect(await entriesOf(oldServer)).toEqual(ENTRIES);
  expect(await oldServer.client.hgetall('meta.ch')).toMatchObject({ e: 'E1', s: '7' });
  expect(await oldServer.client.hexists('meta.ch', 'moved')).toBe(0);
});

test('results of idempotent publishes stay where they are, and are found', async () => {
  await oldServer.client.hset('result.ch.k1', { e: 'E1', s: '7' });
  await oldServer.client.hset('result.ch.k2', { e: '' });
  expect(await resultAt('ch', 'k1', oldRig.shard, keys)).toEqual({ epoch: 'E1', offset: 7 });
  expect(await resultAt('ch', 'k2', oldRig.shard, keys)).toEqual({ epoch: '', offset: 0 });
  expect(await resultAt('ch', 'k3', oldRig.shard, keys)).toBeUndefined();
});
