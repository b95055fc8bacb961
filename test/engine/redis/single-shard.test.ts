import { afterEach, describe, expect, it } from 'vitest';
import { type RedisServer, type RedisSettings, startRedis } from '../../support/redis.js';
import { until } from '../../support/until.js';
import { script, ShardRig, standalone } from './shard-rig.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(settings: RedisSettings = {}): Promise<RedisServer> {
  const redis = await startRedis(settings);
  closing.push(() => redis.stop());
  return redis;
}

function open(...args: ConstructorParameters<typeof ShardRig>): ShardRig {
  const rig = new ShardRig(...args);
  closing.push(() => rig.shard.close());
  return rig;
}

async function opened(redis: RedisServer, ...more: [server?: object, tuning?: object]): Promise<ShardRig> {
  const rig = open(standalone(redis, more[0]), more[1]);
  await rig.healthy();
  return rig;
}

describe('commands', () => {
  it('are answered in order, with replies of every type', async () => {
    const rig = await opened(await start());
    const replies = await Promise.all([
      rig.call('SET', 'k', Buffer.from([0, 13, 10, 255])),
      rig.call('GET', 'k'),
      rig.call('GET', 'none'),
      rig.call('INCR', 'n'),
      rig.call('RPUSH', 'list', 'ä', 'b'),
      rig.call('LRANGE', 'list', '0', '-1'),
    ]);
    expect(replies).toEqual(['OK', Buffer.from([0, 13, 10, 255]), null, 1, 2, [Buffer.from('ä'), Buffer.from('b')]]);
  });
});
