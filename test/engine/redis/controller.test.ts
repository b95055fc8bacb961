/** Messages between nodes over real servers. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Controller } from '../../../src/engine/engine.js';
import { openRedisController } from '../../../src/engine/redis/controller.js';
import type { ServerOptions, ShardOptions } from '../../../src/engine/redis/options.js';
import { errors } from '../../../src/protocol/codes.js';
import { type RedisServer, startRedis, startSentinel } from '../../support/redis.js';
import { startRedisCluster } from '../../support/redis-cluster.js';
import { eventually, until } from '../../support/until.js';

const server: ServerOptions = {
  user: '',
  password: '',
  db: 0,
  clientName: 'test-node',
  tls: undefined,
  connectTimeoutMs: 500,
  ioTimeoutMs: 500,
  resp2: false,
};

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function redis(...args: string[]): Promise<RedisServer> {
  const started = await startRedis({ args });
  ends.push(() => started.stop());
  return started;
}

const standalone = ({ host, port }: { host: string; port: number }, name = '0'): ShardOptions => ({
  kind: 'standalone',
  name,
  weight: 1,
  server,
  endpoint: { host, port },
});

interface TestController {
  readonly controller: Controller;
  readonly heard: string[];
  readonly log: string[];
}

const open = (nodeUid: string, ...shards: ShardOptions[]) => openBoth(nodeUid, shards);

async function openBoth(
  nodeUid: string,
  shards: ShardOptions[],
  previousShards?: ShardOptions[],
): Promise<TestController> {
  const heard: string[] = [];
  const log: string[] = [];
  const note = (fields: object, message: string) => void log.push(`${(fields as { shard: string }).shard} ${message}`);
  const controller = await openRedisController({
    shards,
    previousShards,
    prefix: 'p',
    nodeUid,
    hear: (message) => void heard.push(Buffer.from(message).toString()),
    log: { info: note, warn: note },
  });
  ends.push(() => controller.close());
  return { controller, heard, log };
}

const text = (value: string) => Buffer.from(value);
const health = ({ controller }: TestController) =>
  Object.fromEntries(controller.shards().map(({ name, healthy }) => [name, healthy]));
const isHealthy = (node: TestController, name: string, expected: boolean) =>
  until(`shard ${name} is ${expected ? 'healthy' : 'not healthy'}`, () => health(node)[name] === expected);
const hears = ({ heard }: TestController, message: string) =>
  until(`${message} is heard`, () => heard.includes(message));

describe('one server', () => {
  test('carries messages to all nodes and to one, as Centrifugo names the channels', async () => {
    const one = await redis();
    const a = await open('a', standalone(one));
    const b = await open('b', standalone(one));
    expect(health(a)).toEqual({ '0': true });
    await a.controller.publish(text('all'), '');
    await a.controller.publish(text('b alone'), 'b');
    await hears(b, 'b alone');
    expect([a.heard, b.heard]).toEqual([['all'], ['all', 'b alone']]);
    expect(await one.client.pubsub('NUMSUB', 'p.control', 'p.node.a', 'p.node.b', 'p.node.c')).toEqual([
      ...['p.control', 2, 'p.node.a', 1],
      ...['p.node.b', 1, 'p.node.c', 0],
    ]);
    await one.client.publish('p.control', 'from elsewhere');
    await Promise.all([hears(a, 'from elsewhere'), hears(b, 'from elsewhere')]);
    expect(await one.client.client('LIST')).toContain('name=test-node');
    a.controller.close();
    await until('nobody listens for a', async () => {
      const [, listeners] = (await one.client.pubsub('NUMSUB', 'p.node.a')) as [string, number];
      return listeners === 0;
    });
    expect(a.log).toEqual(['0 control channel: shard is connected']);
  });

  test('is used with a password, on a Unix socket', async () => {
    const one = await redis('--requirepass', 'secret');
    const options = standalone({ host: one.socket, port: 0 });
    const a = await open('a', { ...options, server: { ...server, password: 'secret' } });
    expect(health(a)).toEqual({ '0': true });
    await a.controller.publish(text('all'), '');
    await hears(a, 'all');
    const refused = await open('b', options);
    expect(health(refused)).toEqual({ '0': false });
    await expect(refused.controller.publish(text('x'), '')).rejects.toBe(errors.internal);
  });

  test('that is away at the start is used when it is there', async () => {
    const one = await redis();
    await one.kill();
    const a = await open('a', standalone(one));
    expect(health(a)).toEqual({ '0': false });
    await expect(a.controller.publish(text('x'), '')).rejects.toBe(errors.internal);
    await one.start();
    await isHealthy(a, '0', true);
    await a.controller.publish(text('y'), '');
    await hears(a, 'y');
    expect(a.heard).toEqual(['y']);
  });

  test('that hangs is noticed, what is published meanwhile fails, and it is used again when it is back', async () => {
    const one = await redis();
    const a = await open('a', standalone(one));
    one.pause();
    await expect(a.controller.publish(text('x'), '')).rejects.toBe(errors.internal);
    await isHealthy(a, '0', false);
    one.resume();
    await isHealthy(a, '0', true);
    await a.controller.publish(text('y'), '');
    await hears(a, 'y');
    expect(a.log).toEqual([
      '0 control channel: shard is connected',
      '0 control channel: shard is away',
      '0 control channel: shard is connected',
    ]);
  });

  test('that loses subscriptions unseen is noticed', async () => {
    // Everything works, and nothing is delivered: this user may not subscribe, and publish all the same.
    const one = await redis();
    await one.client.call('ACL', 'SETUSER', 'mute', 'on', 'nopass', '+@all', 'resetchannels', '&p.other');
    const a = await open('a', { ...standalone(one), server: { ...server, user: 'mute', password: 'x' } });
    expect(health(a)).toEqual({ '0': false });
    await one.client.call('ACL', 'SETUSER', 'mute', 'allchannels');
    await isHealthy(a, '0', true);
    await a.controller.publish(text('x'), '');
    await hears(a, 'x');
  });

  test('is not sent more than it confirms', async () => {
    const one = await redis();
    const a = await open('a', standalone(one));
    one.pause();
    const results = await Promise.allSettled(Array.from({ length: 1030 }, () => a.controller.publish(text('x'), '')));
    const reasons = results.map((result) => (result as PromiseRejectedResult).reason as unknown);
    expect(reasons.filter((reason) => reason === errors.tooManyRequests)).toHaveLength(6);
    expect(reasons.filter((reason) => reason === errors.internal)).toHaveLength(1024);
    one.resume();
  });
});

describe('several shards', () => {
  test('take turns, and each node hears all of them', async () => {
    const servers = [await redis(), await redis()];
    const shards = servers.map((one, i) => standalone(one, String(i)));
    const a = await open('a', ...shards);
    const b = await open('b', ...shards);
    const seen = await Promise.all(
      servers.map(async ({ client }) => {
        const listener = client.duplicate();
        ends.push(() => listener.disconnect());
        const messages: string[] = [];
        listener.on('message', (_channel, message) => messages.push(message));
        await listener.subscribe('p.control');
        return messages;
      }),
    );
    for (const message of ['1', '2', '3', '4']) await a.controller.publish(text(message), '');
    await until('all are heard', () => b.heard.length === 4 && seen[0]!.length + seen[1]!.length === 4);
    expect(seen.map(({ length }) => length)).toEqual([2, 2]);
    expect([...b.heard].sort()).toEqual(['1', '2', '3', '4']);
  });

  test('of which one is away do not fail what the others carry, and it is back when it is back', async () => {
    const servers = [await redis(), await redis()];
    const shards = servers.map((one, i) => standalone(one, String(i)));
    const a = await open('a', ...shards);
    const b = await open('b', ...shards);
    await servers[0]!.kill();
    await Promise.all([isHealthy(a, '0', false), isHealthy(b, '0', false)]);
    for (const message of ['1', '2', '3']) await a.controller.publish(text(message), 'b');
    await hears(b, '3');
    expect(b.heard).toEqual(['1', '2', '3']);
    expect(health(b)).toEqual({ '0': false, '1': true });

    await servers[0]!.start();
    await Promise.all([isHealthy(a, '0', true), isHealthy(b, '0', true)]);
    await servers[1]!.kill();
    await Promise.all([isHealthy(a, '1', false), isHealthy(b, '1', false)]);
    await a.controller.publish(text('4'), 'b');
    await hears(b, '4');

    await servers[0]!.kill();
    await isHealthy(a, '0', false);
    await expect(a.controller.publish(text('5'), 'b')).rejects.toBe(errors.internal);
  });
});

describe('a list of shards that replaces another', () => {
  /** Nodes with the former list, both lists, and the new one. */
  async function openAll(former: ShardOptions[], current: ShardOptions[]) {
    return [await openBoth('a', former), await openBoth('b', current, former), await openBoth('c', current)] as const;
  }

  async function expectBothReachedBy(former: ShardOptions[], current: ShardOptions[]) {
    const nodes = await openAll(former, current);
    const [a, b, c] = nodes;
    for (const node of nodes) expect(Object.values(health(node))).not.toContain(false);
    // Whatever the turn of shards is.
    for (const round of ['1', '2', '3']) {
      await b.controller.publish(text(`b ${round}`), '');
      await Promise.all(nodes.map((node) => hears(node, `b ${round}`)));
      await a.controller.publish(text(`a ${round}`), '');
      await c.controller.publish(text(`c ${round}`), '');
      await Promise.all([hears(a, `a ${round}`), hears(b, `a ${round}`)]);
      await Promise.all([hears(c, `c ${round}`), hears(b, `c ${round}`)]);
    }
    return nodes;
  }

  test('keeps one that knows both in touch with everybody', async () => {
    const [a, b] = await expectBothReachedBy([standalone(await redis())], [standalone(await redis())]);
    expect(health(b!)).toEqual({ '0': true, 'previous 0': true });
    expect(a!.heard.filter((message) => message === 'b 1')).toHaveLength(1);
  });

  test('shares shards with it that are enough to reach everybody, once', async () => {
    const [one, two, three] = [await redis(), await redis(), await redis()];
    const former = [standalone(one, '0'), standalone(two, '1')];
    // The shard that both have is another in each list.
    const nodes = await expectBothReachedBy(former, [standalone(two, '0'), standalone(three, '1')]);
    expect(health(nodes[1])).toEqual({ '0': true, '1': true, 'previous 0': true });
    for (const { heard } of nodes)
      expect(heard.filter((message) => message.startsWith('b'))).toEqual(['b 1', 'b 2', 'b 3']);

    await two.kill();
    await isHealthy(nodes[1], '0', false);
    await nodes[1].controller.publish(text('over others'), '');
    await Promise.all(nodes.map((node) => hears(node, 'over others')));
  });
});

test('a Sentinel set is followed to its next master', { timeout: 40_000 }, async () => {
  const set = await startSentinel('main');
  ends.push(() => set.stop());
  const shard: ShardOptions = {
    kind: 'sentinel',
    name: 's',
    weight: 1,
    server,
    sentinels: set.sentinels,
    masterName: set.masterName,
    sentinelUser: '',
    sentinelPassword: '',
    sentinelClientName: '',
    sentinelTls: undefined,
  };
  const a = await open('a', shard);
  const b = await open('b', shard);
  expect([health(a), health(b)]).toEqual([{ s: true }, { s: true }]);
  await a.controller.publish(text('1'), '');
  await hears(b, '1');
  await set.promote();
  const arrives = async (message: string) => {
    await a.controller.publish(text(message), '').catch(() => {});
    return b.heard.includes(message);
  };
  await until('a message over the promoted master', () => arrives('2'));
  await set.killMaster();
  await until('a message over the next master', () => arrives('3'));
});

test('a cluster carries messages, also when servers are lost', { timeout: 60_000 }, async () => {
  const cluster = await startRedisCluster({ replicas: true });
  ends.push(() => cluster.stop());
  const seeds = cluster.masters.map(({ host, port }) => ({ host, port }));
  const shard: ShardOptions = { kind: 'cluster', name: 'c', weight: 1, server, seeds };
  const a = await open('a', shard);
  const b = await open('b', shard);
  expect([health(a), health(b)]).toEqual([{ c: true }, { c: true }]);
  await a.controller.publish(text('all'), '');
  await a.controller.publish(text('one'), 'b');
  await Promise.all([hears(a, 'all'), hears(b, 'all'), hears(b, 'one')]);
  expect(a.heard).toEqual(['all']);

  for (const [i, lost] of cluster.masters.entries()) {
    await lost.kill();
    const arrives = async () => {
      await a.controller.publish(text(`without ${i}`), '').catch(() => {});
      return b.heard.includes(`without ${i}`);
    };
    await until(`a message without server ${i}`, arrives);
    await lost.start();
  }
  await eventually(() => expect([health(a), health(b)]).toEqual([{ c: true }, { c: true }]));
});
