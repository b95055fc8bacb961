/** What the contract does not say of channels in Redis: their names, their numbers, and what happens when Redis refuses. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Broker, BrokerSink, PublishResult } from '../../../src/engine/engine.js';
import { receiver } from '../../../src/engine/redis/broker.js';
import { Keys } from '../../../src/engine/redis/keys.js';
import { errors } from '../../../src/protocol/codes.js';
import { type RedisServer, startRedis } from '../../support/redis.js';
import { type RedisCluster, startRedisCluster } from '../../support/redis-cluster.js';
import { ALL, POSITION, publish, publishOptions, RecordingSink, stored } from '../contract.js';
import { entry, offsets, texts } from '../entries.js';
import { openEngine } from './engine-rig.js';
import { lent } from './lent.js';

let server: RedisServer;
let cluster: RedisCluster;

beforeAll(async () => {
  [server, cluster] = await Promise.all([startRedis(), startRedisCluster()]);
}, 30_000);

afterAll(() => Promise.all([server.stop(), cluster.stop()]));

let numbered = 0;

async function start(more: object = {}) {
  const sink = new RecordingSink();
  const prefix = `broker${++numbered}`;
  const opened = await openEngine({ prefix, address: [server.url], ...more }, sink);
  return { ...opened, sink, prefix, [Symbol.dispose]: () => opened.engine.close() };
}

const onCluster = () => ({
  address: undefined,
  cluster_address: [cluster.masters.map(({ host, port }) => `${host}:${port}`).join(',')],
});

const names = [
  'a b',
  'канал/ü',
  '😀',
  'x{y}z',
  'x}',
  '{x',
  '%25%',
  'a.b.c:d#1,2&u',
  'q\'"\\',
  'a__b',
  '\n',
  'c'.repeat(255),
];

describe.each([
  ['one Redis', () => ({})],
  ['Redis Cluster', onCluster],
])('%s: a channel may be named', (_, section) => {
  it('anything', async () => {
    using started = await start(section());
    const { broker, presence, sink } = started;
    for (const name of names) {
      await broker.subscribe(name);
      const { epoch } = await publish(broker, name, entry('1'), stored({ idempotencyKey: 'k{}' }));
      expect(await publish(broker, name, entry('2'), stored({ idempotencyKey: 'k{}' }))).toMatchObject({
        offset: 1,
        epoch,
      });
      await publish(broker, name, entry('3'), publishOptions());
      expect((await sink.atLeast(2)).splice(0)).toEqual([`pub ${name} 1 1`, `pub ${name} 0 3`]);
      expect(texts((await broker.history(name, ALL, 1000)).entries)).toEqual(['1']);
      await presence.add(name, name, name, Buffer.alloc(0), 1000);
      expect([...(await presence.presence(name)).keys()]).toEqual([name]);
      await presence.remove(name, name, name);
      await broker.removeHistory(name);
    }
  });
});

/** All of them wait for the end of the same turn. */
const together = (broker: Broker, channel: string, ...publications: string[]): Promise<PublishResult[]> =>
  Promise.all(publications.map((text) => publish(broker, channel, entry(text), stored())));

describe('offsets', () => {
  it.each([2 ** 31 - 1, 2 ** 32 - 1, 2 ** 40])('go on after %i', async (top) => {
    for (const history_use_lists of [false, true]) {
      using started = await start({ history_use_lists });
      const { broker, prefix, sink } = started;
      await broker.subscribe('c');
      await server.client.hset(`${prefix}.${history_use_lists ? 'list' : 'stream'}.meta.c`, 'e', 'abcd', 's', top);
      const results = await together(broker, 'c', '1', '2');
      results.push(await publish(broker, 'c', entry('3'), stored({ idempotencyKey: 'k' })));
      expect(results.map(({ offset }) => offset - top)).toEqual([1, 2, 3]);
      expect(await sink.atLeast(3)).toEqual([1, 2, 3].map((i) => `pub c ${top + i} ${i}`));
      const since = { offset: top + 1, epoch: 'abcd' };
      const history = await broker.history('c', { limit: 10, reverse: false, since }, 1000);
      expect([history.offset, ...offsets(history.entries)]).toEqual([top + 3, top + 2, top + 3]);
    }
  });

  it('of any size may be asked for', async () => {
    for (const history_use_lists of [false, true]) {
      using started = await start({ history_use_lists });
      const { broker } = started;
      await together(broker, 'c', '1');
      for (const offset of [2 ** 53, 2 ** 64])
        for (const reverse of [false, true]) {
          const since = { offset, epoch: '' };
          expect((await broker.history('c', { limit: -1, reverse, since }, 1000)).count).toBe(0);
        }
    }
  });
});

describe('what Redis refuses', () => {
  it('for one channel does not keep others from being published', async () => {
    using started = await start();
    const { broker, prefix, logged } = started;
    await together(broker, 'bad', '1');
    await server.client.set(`${prefix}.stream.bad`, 'text');
    await server.client.set(`${prefix}.stream.meta.worse`, 'text');
    const answers = await Promise.allSettled(
      ['good', 'bad', 'worse', 'bad', 'good'].map((name) => publish(broker, name, entry('1'), stored())),
    );
    expect(answers.map((answer) => (answer.status === 'fulfilled' ? answer.value.offset : answer.reason))).toEqual([
      1,
      errors.internal,
      errors.internal,
      errors.internal,
      2,
    ]);
    expect(logged.join()).toContain('WRONGTYPE');
  });

  it('for want of memory leaves nothing half done', async () => {
    using started = await start();
    const { broker, prefix, logged } = started;
    await together(broker, 'old', '1');
    await server.client.config('SET', 'maxmemory', '1');
    try {
      const answers = await Promise.allSettled([
        ...['old', 'new'].map((name) => publish(broker, name, entry('2'), stored())),
        publish(broker, 'old', entry('2'), stored({ version: 1 })),
      ]);
      expect(answers.map((answer) => answer.status === 'rejected' && answer.reason)).toEqual(
        Array.from({ length: 3 }, () => errors.internal),
      );
    } finally {
      await server.client.config('SET', 'maxmemory', '0');
    }
    expect(logged.join()).toContain('OOM');
    expect((await broker.history('old', POSITION, 1000)).offset).toBe(1);
    expect(await server.client.exists(`${prefix}.stream.meta.new`)).toBe(0);
  });
});

describe('a message that cannot be read', () => {
  it('is logged once in a while, with how many there were', () => {
    const logged: object[] = [];
    let now = 0;
    const keys = new Keys('p', false, false);
    const sink = new RecordingSink();
    const { message } = receiver(
      keys,
      sink,
      { error: (fields: object) => void logged.push(fields) },
      { now: () => now },
    );
    for (let i = 0; i < 100; i++) message('p.client.c', ...lent(Buffer.from('__x__')));
    now += 5000;
    message('p.client.c', ...lent(Buffer.from('__p1:')));
    expect(logged).toEqual([
      { error: expect.stringContaining('p.client.c'), alsoRefused: 0 },
      { error: expect.stringContaining('p.client.c'), alsoRefused: 99 },
    ]);
    expect(sink.events).toEqual([]);
  });

  it('is not what the sink throws', () => {
    const sink: BrokerSink = {
      publication() {
        throw new RangeError('of the sink');
      },
      join() {},
      leave() {},
      interrupted() {},
    };
    const { message } = receiver(new Keys('p', false, false), sink, { error() {} }, { now: () => 0 });
    expect(() => message('p.client.c', ...lent(Buffer.from([0x22, 1, 0x31])))).toThrow('of the sink');
  });
});
