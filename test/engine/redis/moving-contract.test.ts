/** The contract that every engine keeps, while one list of shards replaces another. */
import { afterAll, beforeAll } from 'vitest';
import type { BrokerSink } from '../../../src/engine/engine.js';
import { type RedisServer, startRedis } from '../../support/redis.js';
import { type RedisCluster, startRedisCluster } from '../../support/redis-cluster.js';
import { until } from '../../support/until.js';
import { type BrokerCapabilities, describeBroker, describePresence } from '../contract.js';
import { openEngine } from './engine-rig.js';

let servers: RedisServer[];
let cluster: RedisCluster;

beforeAll(async () => {
  [servers, cluster] = await Promise.all([
    Promise.all([startRedis(), startRedis(), startRedis()]),
    startRedisCluster(),
  ]);
}, 30_000);

afterAll(async () => {
  await Promise.all([...servers.map((server) => server.stop()), cluster.stop()]);
});

/** The clock of a Redis cannot be moved. */
const can: BrokerCapabilities = { history: true, idempotency: true, version: true, expiry: false };

/** Enough for every shard to have some. */
const channels = Array.from({ length: 50 }, (_, i) => `channel:${i}`);

const urls = (): string[] => servers.map(({ url }) => url);
const seeds = (): string => cluster.masters.map(({ host, port }) => `${host}:${port}`).join(',');

const sections: Record<string, () => object> = {
  'every channel moves': () => ({ address: [urls()[1]], previous_address: [urls()[0]] }),
  'some channels move': () => ({ address: urls(), previous_address: urls().slice(1) }),
  'from a server to a cluster': () => ({ cluster_address: [seeds()], previous_address: [urls()[0]] }),
  'from a cluster to a server': () => ({
    address: [urls()[0]],
    previous_address: [`redis+cluster://${seeds().replace(',', '?addr=').replaceAll(',', '&addr=')}`],
  }),
};

for (const [name, section] of Object.entries(sections)) {
  for (const oldNodesPresent of [true, false]) {
    const open = async (more: object, sink?: BrokerSink) => {
      const { engine, ...opened } = await openEngine({ ...section(), ...more }, sink);
      engine.setOldNodesPresent(oldNodesPresent);
      await until('publications are taken', () => channels.every((channel) => opened.broker.feed(channel) === 'up'));
      return { ...opened, close: () => engine.close() };
    };
    const phase = `${name}, ${oldNodesPresent ? 'with' : 'without'} old nodes`;
    describeBroker(phase, (sink) => open({}, sink), can);
    describePresence(phase, () => open({}), { expiry: false });
  }
}
