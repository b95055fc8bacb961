/** What others leave in Redis, or publish there, may be anything: it is logged, and nobody is taken down by it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeClientInfo } from '../../../src/protocol/client-info.js';
import { errors } from '../../../src/protocol/codes.js';
import { type RedisServer, startRedis } from '../../support/redis.js';
import { ALL, publish, publishOptions, RecordingSink } from '../contract.js';
import { entry } from '../entries.js';
import { openEngine } from './engine-rig.js';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
}, 30_000);

afterAll(() => server.stop());

let numbered = 0;

async function start(more: object = {}) {
  const sink = new RecordingSink();
  const prefix = `malformed${++numbered}`;
  const opened = await openEngine({ prefix, address: [server.url], ...more }, sink);
  return { ...opened, sink, prefix, [Symbol.dispose]: () => opened.engine.close() };
}

const cut = (bytes: Buffer): Buffer => bytes.subarray(0, bytes.length - 1);
const data = Buffer.from([0x22, 1, 0x31]);

describe('messages', () => {
  const messages: [string, Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['an unknown kind', Buffer.from('__x__')],
    ['an envelope without an end', Buffer.from('__p1:1:abcd')],
    ['an envelope without an offset', Buffer.concat([Buffer.from('__p1:x:abcd__'), data])],
    ['an offset that no number can hold', Buffer.concat([Buffer.from(`__p1:${'9'.repeat(20)}:abcd__`), data])],
    ['a delta that is cut off', Buffer.concat([Buffer.from('__d1:2:abcd:0::9:'), data])],
    ['a delta of a negative length', Buffer.concat([Buffer.from('__d1:2:abcd:0::-3:'), data])],
    ['a publication that is cut off', cut(data)],
    ['a publication with a field of a wrong type', Buffer.from([0x20, 1])],
    ['info that is cut off', Buffer.concat([data, Buffer.from([0x2a, 2, 0x0a, 9])])],
    ['info that is not text', Buffer.concat([data, Buffer.from([0x2a, 3, 0x0a, 1, 0xff])])],
    ['a tag that is cut off', Buffer.concat([data, Buffer.from([0x3a, 2, 0x0a, 9])])],
    ['a join that is cut off', Buffer.concat([Buffer.from('__j__'), Buffer.from([0x0a, 9])])],
    ['a leave that is not text', Buffer.concat([Buffer.from('__l__'), Buffer.from([0x0a, 1, 0xff])])],
    ['an offset that no publication has', Buffer.concat([Buffer.from('__p1:0:abcd__'), data])],
    ['an envelope without an epoch', Buffer.concat([Buffer.from('__p1:1:__'), data])],
    ['an envelope of another version', Buffer.concat([Buffer.from('__p2:1:abcd__'), data])],
  ];

  it.each(messages)('%s is logged and passed over', async (name, message) => {
    using started = await start();
    const { broker, sink, prefix, logged } = started;
    await broker.subscribe('c');
    await server.client.publish(`${prefix}.client.c`, message);
    await publish(broker, 'c', entry('1'), publishOptions());
    // An empty message is an empty publication.
    const expected = name === 'nothing' ? ['pub c 0 ', 'pub c 0 1'] : ['pub c 0 1'];
    expect(await sink.atLeast(expected.length)).toEqual(expected);
    if (name !== 'nothing') expect(logged.join()).toContain('a message on malformed');
  });

  it('with fields that are not known are taken', async () => {
    using started = await start();
    const { broker, sink, prefix } = started;
    await broker.subscribe('c');
    const more = Buffer.from([0xaa, 0x06, 2, 1, 2, 0x50, 7]);
    await server.client.publish(`${prefix}.client.c`, Buffer.concat([Buffer.from('__p1:7:abcd__'), data, more]));
    expect(await sink.atLeast(1)).toEqual(['pub c 7 1']);
  });
});

describe('what is stored', () => {
  it.each([false, true])('fails a read of history with 100 where it cannot be read, lists: %s', async (useLists) => {
    using started = await start({ history_use_lists: useLists });
    const { broker, prefix, logged } = started;
    if (useLists) await server.client.lpush(`${prefix}.list.c`, '__p1:1');
    else await server.client.xadd(`${prefix}.stream.c`, '1-0', 'd', cut(data));
    await expect(broker.history('c', ALL, 1000)).rejects.toBe(errors.internal);
    expect(logged.join()).toContain('history of c');
  });

  it('hides a presence entry that cannot be read', async () => {
    using started = await start();
    const { presence, prefix, logged } = started;
    const info = encodeClientInfo({ user: 'u', client: 'good', connInfo: undefined, chanInfo: undefined });
    await presence.add('c', 'good', 'u', info, 0);
    await server.client.hset(`${prefix}.presence.data.c`, 'bad', Buffer.from([0x0a, 9]));
    expect([...(await presence.presence('c')).keys()]).toEqual(['good']);
    expect(await presence.stats('c')).toEqual({ numClients: 1, numUsers: 1 });
    expect(logged.join()).toContain('presence in c');
  });
});
