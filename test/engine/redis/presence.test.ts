/** What the contract does not say of presence in Redis: expiry, counting of users, servers that are too old. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PresenceManager } from '../../../src/engine/engine.js';
import { encodeClientInfo } from '../../../src/protocol/client-info.js';
import { errors } from '../../../src/protocol/codes.js';
import { type RedisServer, startRedis } from '../../support/redis.js';
import { openEngine } from './engine-rig.js';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
}, 30_000);

afterAll(() => server.stop());

let numbered = 0;

async function start(more: object) {
  const prefix = `presence${++numbered}`;
  const opened = await openEngine({ prefix, address: [server.url], ...more });
  return { ...opened, prefix, [Symbol.dispose]: () => opened.engine.close() };
}

const add = (presence: PresenceManager, client: string, user: string) =>
  presence.add('c', client, user, encodeClientInfo({ user, client, connInfo: undefined, chanInfo: undefined }), 0);

/** As if its last renewal had been long ago. */
const expire = (prefix: string, client: string) => server.client.zadd(`${prefix}.presence.expire.c`, 1, client);

const mapping = { presence_user_mapping: true };

// Longer than what one byte can say, and outside ASCII.
it.each(['u', '', 'é'.repeat(100)])('a client that expires does not leave its user behind: %s', async (user) => {
  using started = await start(mapping);
  const { presence, prefix } = started;
  await add(presence, 'gone', user);
  await add(presence, 'stays', user);
  await add(presence, 'other', 'someone');
  await expire(prefix, 'gone');
  expect(await presence.stats('c')).toEqual({ numClients: 2, numUsers: 2 });
  await presence.remove('c', 'stays', user);
  expect(await presence.stats('c')).toEqual({ numClients: 1, numUsers: 1 });
  expect(await server.client.zrange(`${prefix}.presence.user.expire.c`, '0', '-1')).toEqual(['someone']);
});

it('whoever reads presence counts users too', async () => {
  using started = await start(mapping);
  const { presence, prefix } = started;
  await add(presence, 'gone', 'u');
  await expire(prefix, 'gone');
  expect((await presence.presence('c')).size).toBe(0);
  expect(await server.client.exists(`${prefix}.presence.user.clients.c`)).toBe(0);
});

it('an expired client that comes back is counted once', async () => {
  using started = await start(mapping);
  const { presence, prefix } = started;
  await add(presence, 'a', 'u');
  await expire(prefix, 'a');
  await presence.presence('c');
  await add(presence, 'a', 'u');
  expect(await server.client.hgetall(`${prefix}.presence.user.clients.c`)).toEqual({ u: '1' });
});

it('a user that expired is not counted, whatever its number of clients', async () => {
  using started = await start(mapping);
  const { presence, prefix } = started;
  await add(presence, 'a', 'u');
  // As a node leaves it that purges clients without counting.
  await server.client.hset(`${prefix}.presence.user.clients.c`, 'v', 3);
  await server.client.zadd(`${prefix}.presence.user.expire.c`, 1, 'v');
  expect(await presence.stats('c')).toEqual({ numClients: 1, numUsers: 1 });
});

it.each([
  ['60s', 60],
  ['2s', 2],
])('presence_ttl counts: %s', async (presence_ttl, seconds) => {
  const interval = seconds < 27 ? { client: { presence_update_interval: '1s' } } : {};
  const prefix = `presence${++numbered}`;
  const { engine, presence } = await openEngine({ prefix, address: [server.url], presence_ttl }, undefined, interval);
  await presence.add('c', 'a', 'u', Buffer.alloc(0), 5_000_000);
  const ttl = await server.client.pttl(`${prefix}.presence.data.c`);
  expect(ttl).toBeGreaterThan(seconds * 1000 - 1000);
  expect(ttl).toBeLessThanOrEqual(seconds * 1000);
  engine.close();
});

it('presence_hash_field_ttl on a server that knows no HEXPIRE writes nothing, and the log says why', async () => {
  using started = await start({ presence_hash_field_ttl: true });
  const { presence, prefix, logged } = started;
  await expect(add(presence, 'a', 'u')).rejects.toBe(errors.internal);
  expect(await server.client.keys(`${prefix}.*`)).toEqual([]);
  expect(logged.join()).toContain('presence_hash_field_ttl needs HEXPIRE (Redis 7.4)');
});
