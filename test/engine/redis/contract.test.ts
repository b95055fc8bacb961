/** The contract that every engine keeps, with real servers of every kind. */
import { afterAll, beforeAll } from 'vitest';
import type { BrokerSink } from '../../../src/engine/engine.js';
import { type RedisServer, type SentinelSet, startRedis, startSentinel } from '../../support/redis.js';
import { type RedisCluster, startRedisCluster } from '../../support/redis-cluster.js';
import { type BrokerCapabilities, describeBroker, describePresence } from '../contract.js';
import { openEngine } from './engine-rig.js';

let servers: RedisServer[];
let sentinel: SentinelSet;
let cluster: RedisCluster;

beforeAll(async () => {
  [servers, sentinel, cluster] = await Promise.all([
    Promise.all([startRedis(), startRedis(), startRedis()]),
    startSentinel(),
    startRedisCluster(),
  ]);
}, 30_000);

afterAll(async () => {
  await Promise.all([...servers.map((server) => server.stop()), sentinel.stop(), cluster.stop()]);
});

const prefix = `contract${process.pid}`;

/** The clock of a Redis cannot be moved. */
const can: BrokerCapabilities = { history: true, idempotency: true, version: true, expiry: false };

const sections: Record<string, () => object> = {
  'one Redis': () => ({ address: [servers[0]!.url] }),
  'three Redis on a ring': () => ({ address: servers.map(({ url }) => url) }),
  'three Redis by jump hash': () => ({ address: servers.map(({ url }) => url), sharding: 'jump' }),
  'a Unix socket': () => ({ address: [`unix://${servers[0]!.socket}`] }),
  'Redis Sentinel': () => ({
    sentinel_address: sentinel.sentinels.map(({ host, port }) => `${host}:${port}`),
    sentinel_master_name: sentinel.masterName,
  }),
  'Redis Cluster': () => ({ cluster_address: [cluster.masters.map(({ host, port }) => `${host}:${port}`).join(',')] }),
};

for (const [name, section] of Object.entries(sections)) {
  const open = async (more: object, sink?: BrokerSink) => {
    const { engine, ...opened } = await openEngine({ prefix, ...section(), ...more }, sink);
    return { ...opened, close: () => engine.close() };
  };
  describeBroker(name, (sink) => open({}, sink), can);
  describeBroker(`${name}, lists`, (sink) => open({ history_use_lists: true }, sink), { ...can, version: false });
  describePresence(name, () => open({}), { expiry: false });
  describePresence(`${name}, user mapping`, () => open({ presence_user_mapping: true }), { expiry: false });
}
