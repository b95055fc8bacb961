/**
 * What is in Redis and on PUB/SUB, byte for byte, after each operation; and that what a Centrifugo 6.9 node left there is
 * read right (centrifugo-bytes.ts was recorded from one). Times are those of the recording, so that the bytes are too.
 */
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PublishOptions } from '../../../src/engine/engine.js';
import { decodeClientInfo } from '../../../src/protocol/client-info.js';
import {
  decodeEntry,
  ENTRY_DELTA,
  ENTRY_JSON,
  encodeEntry,
  entryFlags,
  entryTime,
} from '../../../src/protocol/entry.js';
import type { Bytes, Publication } from '../../../src/protocol/messages.js';
import { type RedisServer, startRedis } from '../../support/redis.js';
import { until } from '../../support/until.js';
import { ALL, publish, publishOptions, stored } from '../contract.js';
import { readEntries } from '../entries.js';
import { ANN, at, bytes, recorded } from './centrifugo-bytes.js';
import { openEngine } from './engine-rig.js';

let server: RedisServer;
let listener: Redis;

beforeAll(async () => {
  server = await startRedis();
  listener = server.client.duplicate();
}, 30_000);

afterAll(async () => {
  listener.disconnect();
  await server.stop();
});

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: at.first }));
afterEach(() => void vi.useRealTimers());

let numbered = 0;

/** An engine, and what goes over PUB/SUB. */
async function start(more: object = {}) {
  const prefix = `golden${++numbered}`;
  const publications: { channel: string; entry: Buffer; epoch: string }[] = [];
  const announced: string[] = [];
  const { engine, broker, presence } = await openEngine(
    { prefix, address: [server.url], ...more },
    {
      publication: (channel, entry, epoch) => void publications.push({ channel, entry: Buffer.from(entry), epoch }),
      join: (channel, info) => void announced.push(`join ${channel} ${decodeClientInfo(info).user}`),
      leave: (channel, info) => void announced.push(`leave ${channel} ${decodeClientInfo(info).user}`),
      interrupted() {},
    },
  );
  const messages: string[] = [];
  const hear = (_pattern: string, channel: Buffer, message: Buffer) => {
    if (String(channel).startsWith(`${prefix}.`)) messages.push(`${channel} ${message.toString('base64')}`);
  };
  listener.on('pmessageBuffer', hear);
  await listener.psubscribe(`${prefix}.client.*`);
  /** Messages so far; the last one is known to have come, as Redis keeps them in order. */
  const heard = async (): Promise<string[]> => {
    await server.client.publish(`${prefix}.client.end`, '');
    await until('the end is heard', () => messages.at(-1) === `${prefix}.client.end `);
    return messages.splice(0).slice(0, -1);
  };
  const send = (pub: Parameters<typeof encodeEntry>[0] | string, options: PublishOptions) => {
    const whole = typeof pub === 'string' ? { data: Buffer.from(pub) } : pub;
    return publish(broker, 'x', encodeEntry(whole, options.delta ? ENTRY_DELTA | ENTRY_JSON : ENTRY_JSON), options);
  };
  return {
    ...{ prefix, broker, presence, publications, announced, heard, send, client: server.client },
    [Symbol.dispose]: () => {
      listener.off('pmessageBuffer', hear);
      engine.close();
    },
  };
}

/** All keys of a prefix: type, seconds to live rounded up (-1 for ever), content. */
async function contents(prefix: string): Promise<Record<string, unknown>> {
  const { client } = server;
  const found: Record<string, unknown> = {};
  for (const key of (await client.keys(`${prefix}.*`)).sort()) {
    const type = await client.type(key);
    const ms = await client.pttl(key);
    found[key.slice(prefix.length + 1)] = [type, ms < 0 ? -1 : Math.ceil(ms / 1000), await content(key, type)];
  }
  return found;
}

async function content(key: string, type: string): Promise<unknown> {
  const { client } = server;
  if (type === 'hash') {
    const fields = await client.hgetallBuffer(key);
    const text = ([name, value]: [string, Buffer]) => [name, key.includes('.data.') ? base64(value) : String(value)];
    return Object.fromEntries(Object.entries(fields).map(text));
  }
  if (type === 'stream') {
    const entries = await client.xrangeBuffer(key, '-', '+');
    return entries.map(([id, fields]) => [String(id), ...fields.map((v, i) => (i % 2 === 0 ? String(v) : base64(v)))]);
  }
  if (type === 'list') return (await client.lrangeBuffer(key, 0, -1)).map(base64);
  return client.zrange(key, '0', '-1', 'WITHSCORES');
}

const base64 = (value: Buffer): string => value.toString('base64');
const enveloped = (head: string, publication: string): string =>
  base64(Buffer.concat([Buffer.from(head), bytes(publication)]));

/** 300 s and 3600 s as in the recording. */
const kept = (some: Partial<PublishOptions> = {}): PublishOptions =>
  stored({ historySize: 5, historyTtlMs: 300_000, historyMetaTtlMs: 3_600_000, ...some });

describe('writing without history', () => {
  it('is the publication, as it is', async () => {
    using s = await start();
    await s.send('{"n":1}', publishOptions());
    expect(await s.heard()).toEqual([`${s.prefix}.client.x ${recorded.plain}`]);
    expect(await contents(s.prefix)).toEqual({});
  });

  it('with tags', async () => {
    using s = await start();
    vi.setSystemTime(at.tags);
    await s.send({ data: Buffer.from('{"n":2}'), tags: { a: 'b', k: 'v' } }, publishOptions());
    expect(await s.heard()).toEqual([`${s.prefix}.client.x ${recorded.tags}`]);
  });

  it('with who published it', async () => {
    using s = await start();
    vi.setSystemTime(at.info);
    const info = {
      user: 'u2',
      client: '76a5088d-ce8a-4857-95da-9ff257d1b2d3',
      connInfo: Buffer.from('{"name":"Bob"}'),
    };
    const pub = { data: Buffer.from('{"from":"client"}'), info: { ...info, chanInfo: undefined } };
    await s.send(pub, publishOptions());
    expect(await s.heard()).toEqual([`${s.prefix}.client.x ${recorded.info}`]);
  });

  it('asking for deltas, in a field of its own', async () => {
    using s = await start();
    vi.setSystemTime(at.delta);
    await s.send('{"n":1}', publishOptions({ delta: true }));
    expect(await s.heard()).toEqual([`${s.prefix}.client.x ${recorded.delta}`]);
  });

  it('once for a key', async () => {
    using s = await start();
    vi.setSystemTime(at.key);
    const once = publishOptions({ idempotencyKey: 'k1' });
    await s.send('{"n":3}', once);
    await s.send('{"n":4}', once);
    expect(await s.heard()).toEqual([`${s.prefix}.client.x ${recorded.key}`]);
    expect(await contents(s.prefix)).toEqual({ 'result.x.k1': ['hash', 300, { e: '' }] });
  });
});

describe('writing streams', () => {
  it('numbers, keeps, publishes', async () => {
    using s = await start();
    vi.setSystemTime(at.stored);
    const { epoch } = await s.send('{"n":1}', kept());
    expect(epoch).toMatch(/^[A-Za-z]{8}$/);
    expect(await s.heard()).toEqual([`${s.prefix}.client.x ${enveloped(`__p1:1:${epoch}__`, recorded.stored)}`]);
    expect(await contents(s.prefix)).toEqual({
      'stream.meta.x': ['hash', 3600, { e: epoch, s: '1' }],
      'stream.x': ['stream', 300, [['1-0', 'd', recorded.stored]]],
    });
  });

  it('keeps exactly the newest, also of what is published together', async () => {
    using s = await start();
    const all = await Promise.all([1, 2, 3, 4, 5, 6, 7].map((n) => s.send(`${n}`, kept())));
    expect(all.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(await s.heard()).toHaveLength(7);
    const found = await contents(s.prefix);
    const [, , entries] = found['stream.x'] as [string, number, [string][]];
    expect(entries.map(([id]) => id)).toEqual(['3-0', '4-0', '5-0', '6-0', '7-0']);
    expect(found['stream.meta.x']).toEqual(['hash', 3600, { e: all[0]!.epoch, s: '7' }]);
  });

  it('once for a key', async () => {
    using s = await start();
    vi.setSystemTime(at.stored);
    const once = kept({ idempotencyKey: 'k2' });
    const { epoch } = await s.send('{"n":1}', once);
    expect(await s.send('{"n":5}', once)).toEqual({ offset: 1, epoch, suppressed: 'idempotency' });
    expect(await s.heard()).toEqual([`${s.prefix}.client.x ${enveloped(`__p1:1:${epoch}__`, recorded.stored)}`]);
    expect(await contents(s.prefix)).toEqual({
      'result.x.k2': ['hash', 300, { e: epoch, s: '1' }],
      'stream.meta.x': ['hash', 3600, { e: epoch, s: '1' }],
      'stream.x': ['stream', 300, [['1-0', 'd', recorded.stored]]],
    });
  });

  it('remembers versions, and writes nothing for one that is not newer', async () => {
    using s = await start();
    const version = (number: number, versionEpoch: string) =>
      s.send({ data: Buffer.from('{}'), version: number }, kept({ version: number, versionEpoch }));
    const { epoch } = await version(2, '');
    const before = await contents(s.prefix);
    expect(before['stream.meta.x']).toEqual(['hash', 3600, { e: epoch, s: '1', v: '2', ve: '' }]);
    await s.heard();
    expect(await version(1, '')).toEqual({ offset: 1, epoch, suppressed: 'version' });
    expect(await s.heard()).toEqual([]);
    expect(await contents(s.prefix)).toEqual(before);
    await version(1, 'e');
    const after = { e: epoch, s: '2', v: '1', ve: 'e' };
    expect((await contents(s.prefix))['stream.meta.x']).toEqual(['hash', 3600, after]);
  });

  // The first goes with others of its turn, the second alone.
  it.each(['', 'k'])('sends the publication before along with deltas, key: %s', async (idempotencyKey) => {
    using s = await start();
    const [first, second] = recorded.deltas;
    const delta = kept({ delta: true });
    vi.setSystemTime(at.deltas[0]!);
    const { epoch } = await s.send(first!.data, delta);
    vi.setSystemTime(at.deltas[1]!);
    await s.send(second!.data, { ...delta, idempotencyKey });
    const head = (offset: number, previous: string) =>
      Buffer.concat([
        Buffer.from(`__d1:${offset}:${epoch}:${bytes(previous).length}:`),
        bytes(previous),
        Buffer.from(`:${bytes(second!.bytes).length}:`),
      ]).toString('latin1');
    const message = (before: string, publication: string) =>
      base64(Buffer.concat([Buffer.from(before, 'latin1'), bytes(publication)]));
    expect(await s.heard()).toEqual([
      `${s.prefix}.client.x ${message(head(1, ''), first!.bytes)}`,
      `${s.prefix}.client.x ${message(head(2, first!.bytes), second!.bytes)}`,
    ]);
  });

  it('sends the publication before along with deltas that are published together', async () => {
    using s = await start();
    await s.send('"0"', kept());
    await Promise.all(['"1"', '"2"'].map((text) => s.send(text, kept({ delta: true }))));
    const previous = (await s.heard()).slice(1).map((heard) => bytes(heard.split(' ')[1]!).toString('latin1'));
    expect(previous).toEqual([
      expect.stringMatching(/^__d1:2:\w{8}:12:"."0"H.{6}:12:"."1"/s),
      expect.stringMatching(/^__d1:3:\w{8}:12:"."1"H.{6}:12:"."2"/s),
    ]);
  });

  it('drops a stream that outlived its meta data', async () => {
    using s = await start();
    await s.send('1', kept());
    await s.client.del(`${s.prefix}.stream.meta.x`);
    await s.send('2', kept({ delta: true }));
    const [, , entries] = (await contents(s.prefix))['stream.x'] as [string, number, string[][]];
    expect(entries).toHaveLength(1);
    const message = bytes((await s.heard()).at(-1)!.split(' ')[1]!).toString('latin1');
    expect(message).toMatch(/^__d1:1:\w{8}:0::/);
  });

  it('rounds seconds up, and lets meta data live for ever where nothing says how long', async () => {
    using s = await start();
    await s.send('1', kept({ historyTtlMs: 1, historyMetaTtlMs: 1001 }));
    expect(await s.client.pttl(`${s.prefix}.stream.x`)).toBeGreaterThan(500);
    expect(await s.client.pttl(`${s.prefix}.stream.meta.x`)).toBeGreaterThan(1500);
    using other = await start();
    await other.send('1', kept({ historyMetaTtlMs: 0 }));
    expect(await s.client.pttl(`${other.prefix}.stream.meta.x`)).toBe(-1);
  });

  it('is renewed by a read, and removed without its position', async () => {
    using s = await start();
    const { epoch } = await s.send('1', kept());
    await s.broker.history('x', ALL, 7_200_000);
    expect(Object.keys(await contents(s.prefix))).toEqual(['stream.meta.x', 'stream.x']);
    await s.broker.removeHistory('x');
    expect(await contents(s.prefix)).toEqual({ 'stream.meta.x': ['hash', 7200, { e: epoch, s: '1' }] });
  });

  it('is removed with what was published before it in the same turn', async () => {
    using s = await start();
    const published = s.send('1', kept());
    await s.broker.removeHistory('x');
    expect(Object.keys(await contents(s.prefix))).toEqual(['stream.meta.x']);
    expect((await published).offset).toBe(1);
  });

  it('starts anew: without offset, version and entries', async () => {
    using s = await start();
    const { epoch } = await s.send('1', kept({ version: 3, versionEpoch: 'e' }));
    await s.broker.resetEpoch('x', epoch);
    const [type, , fields] = (await contents(s.prefix))['stream.meta.x'] as [string, number, Record<string, string>];
    expect([type, Object.keys(fields)]).toEqual(['hash', ['e']]);
    expect(fields.e).not.toBe(epoch);
    expect(Object.keys(await contents(s.prefix))).toEqual(['stream.meta.x']);
  });
});

describe('writing lists', () => {
  const lists = { history_use_lists: true };

  it('keeps envelopes, newest first', async () => {
    using s = await start(lists);
    vi.setSystemTime(at.stored);
    const two = kept({ historySize: 2 });
    await s.send('{"n":0}', two);
    const { epoch } = await s.send('{"n":1}', two);
    await s.send('{"n":1}', two);
    const item = (offset: number) => enveloped(`__p1:${offset}:${epoch}__`, recorded.stored);
    expect((await s.heard()).slice(1)).toEqual([`${s.prefix}.client.x ${item(2)}`, `${s.prefix}.client.x ${item(3)}`]);
    expect(await contents(s.prefix)).toEqual({
      'list.meta.x': ['hash', 3600, { e: epoch, s: '3' }],
      'list.x': ['list', 300, [item(3), item(2)]],
    });
  });

  // Centrifugo sends its envelope too, and then refuses the message.
  it('sends the publication before along with deltas, without its envelope', async () => {
    using s = await start(lists);
    const [first, second] = recorded.deltas;
    vi.setSystemTime(at.deltas[0]!);
    const { epoch } = await s.send(first!.data, kept({ delta: true }));
    vi.setSystemTime(at.deltas[1]!);
    await s.send(second!.data, kept({ delta: true }));
    const parts = [
      `__d1:2:${epoch}:${bytes(first!.bytes).length}:`,
      bytes(first!.bytes),
      `:${bytes(second!.bytes).length}:`,
      bytes(second!.bytes),
    ];
    const expected = base64(Buffer.concat(parts.map((part) => Buffer.from(part as string))));
    expect((await s.heard()).at(-1)).toBe(`${s.prefix}.client.x ${expected}`);
  });

  it('knows no versions', async () => {
    using s = await start(lists);
    const { epoch } = await s.send('1', kept({ version: 2 }));
    expect(await s.send('2', kept({ version: 1 }))).toEqual({ offset: 2, epoch });
    expect((await contents(s.prefix))['list.meta.x']).toEqual(['hash', 3600, { e: epoch, s: '2' }]);
  });
});

describe('writing joins and presence', () => {
  const ann = bytes(ANN.info);
  const score = String(Math.floor(at.first / 1000) + 60);

  it('joins and leaves', async () => {
    using s = await start();
    await s.broker.publishJoin('x', ann);
    await s.broker.publishLeave('x', ann);
    const [join, leave] = [enveloped('__j__', ANN.info), enveloped('__l__', ANN.info)];
    expect([join, leave]).toEqual([recorded.join, recorded.leave]);
    expect(await s.heard()).toEqual([`${s.prefix}.client.x ${join}`, `${s.prefix}.client.x ${leave}`]);
  });

  it('presence', async () => {
    using s = await start();
    await s.presence.add('x', ANN.client, 'u1', ann, 0);
    expect(await contents(s.prefix)).toEqual({
      'presence.data.x': ['hash', 60, { [ANN.client]: ANN.info }],
      'presence.expire.x': ['zset', 60, [ANN.client, score]],
    });
    await s.presence.remove('x', ANN.client, 'u1');
    expect(await contents(s.prefix)).toEqual({});
  });

  it('presence with users', async () => {
    using s = await start({ presence_user_mapping: true });
    await s.presence.add('x', ANN.client, 'u1', ann, 0);
    await s.presence.add('x', 'other', 'u1', ann, 0);
    await s.presence.add('x', 'other', 'u1', ann, 0);
    expect(await contents(s.prefix)).toEqual({
      'presence.data.x': ['hash', 60, { [ANN.client]: ANN.info, other: ANN.info }],
      'presence.expire.x': ['zset', 60, [ANN.client, score, 'other', score]],
      'presence.user.clients.x': ['hash', 60, { u1: '2' }],
      'presence.user.expire.x': ['zset', 60, ['u1', score]],
    });
    await s.presence.remove('x', 'other', 'u1');
    expect((await contents(s.prefix))['presence.user.clients.x']).toEqual(['hash', 60, { u1: '1' }]);
    await s.presence.remove('x', ANN.client, 'u1');
    expect(await contents(s.prefix)).toEqual({});
  });
});

describe('reading what Centrifugo wrote', () => {
  const shown = ({ data, info, tags }: Publication) => ({
    data: String(Buffer.from(data)),
    ...(info && { user: info.user, connInfo: String(Buffer.from(info.connInfo!)) }),
    ...(tags && { tags: { ...tags } }),
  });
  const messages: [string, string, { offset: number; epoch: string; delta: boolean; time: number; pub: object }][] = [
    ['plain', recorded.plain, { offset: 0, epoch: '', delta: false, time: at.first, pub: { data: '{"n":1}' } }],
    [
      'tags',
      recorded.tags,
      { offset: 0, epoch: '', delta: false, time: at.tags, pub: { data: '{"n":2}', tags: { a: 'b', k: 'v' } } },
    ],
    [
      'info',
      recorded.info,
      {
        ...{ offset: 0, epoch: '', delta: false, time: at.info },
        pub: { data: '{"from":"client"}', user: 'u2', connInfo: '{"name":"Bob"}' },
      },
    ],
    [
      'delta, not stored',
      recorded.delta,
      { offset: 0, epoch: '', delta: true, time: at.delta, pub: { data: '{"n":1}' } },
    ],
    [
      'stored',
      recorded.storedMessage,
      { offset: 1, epoch: 'JgrZyucD', delta: false, time: at.stored, pub: { data: '{"n":1}' } },
    ],
    [
      'delta, stored',
      recorded.deltaMessage,
      { offset: 2, epoch: 'BwctIEfs', delta: true, time: at.deltas[1]!, pub: { data: recorded.deltas[1]!.data } },
    ],
    [
      'delta of a list',
      recorded.listDeltaMessage,
      { offset: 2, epoch: 'bmGWTOFX', delta: true, time: 1795518291654, pub: { data: recorded.deltas[1]!.data } },
    ],
  ];

  it.each(messages)('%s', async (_, message, expected) => {
    using s = await start();
    await s.broker.subscribe('x');
    await s.client.publish(`${s.prefix}.client.x`, bytes(message));
    await until('it is heard', () => s.publications.length === 1);
    const { entry, epoch } = s.publications[0]!;
    const pub = decodeEntry(entry);
    const delta = (entryFlags(entry) & ENTRY_DELTA) !== 0;
    expect({ offset: pub.offset, epoch, delta, time: entryTime(entry), pub: shown(pub) }).toEqual(expected);
    expect(pub.json).toBe(true);
  });

  it('joins and leaves', async () => {
    using s = await start();
    await s.broker.subscribe('x');
    for (const message of [recorded.join, recorded.leave])
      await s.client.publish(`${s.prefix}.client.x`, bytes(message));
    await until('both are heard', () => s.announced.length === 2);
    expect(s.announced).toEqual(['join x u1', 'leave x u1']);
  });

  const history = (entries: Bytes) =>
    readEntries(entries).map(({ offset, text, timeMs }) => ({ offset, text, timeMs }));
  const expected = recorded.deltas.map(({ data }, i) => ({ offset: i + 1, text: data, timeMs: at.deltas[i]! }));

  it('a stream, which then goes on', async () => {
    using s = await start();
    await s.client.hset(`${s.prefix}.stream.meta.x`, 'e', 'BwctIEfs', 's', '2');
    for (const [i, { bytes: publication }] of recorded.deltas.entries())
      await s.client.xadd(`${s.prefix}.stream.x`, `${i + 1}-0`, 'd', bytes(publication));
    const found = await s.broker.history('x', ALL, 1000);
    expect([found.offset, found.epoch, history(found.entries)]).toEqual([2, 'BwctIEfs', expected]);
    expect(await s.send('3', kept())).toEqual({ offset: 3, epoch: 'BwctIEfs' });
  });

  it('a list, which then goes on', async () => {
    using s = await start({ history_use_lists: true });
    await s.client.hset(`${s.prefix}.list.meta.x`, 'e', 'BwctIEfs', 's', '2');
    for (const [i, { bytes: publication }] of recorded.deltas.entries())
      await s.client.lpush(`${s.prefix}.list.x`, bytes(enveloped(`__p1:${i + 1}:BwctIEfs__`, publication)));
    const found = await s.broker.history('x', ALL, 1000);
    expect([found.offset, found.epoch, history(found.entries)]).toEqual([2, 'BwctIEfs', expected]);
    expect(await s.send('3', kept())).toEqual({ offset: 3, epoch: 'BwctIEfs' });
  });

  it('results of idempotent publishes', async () => {
    using s = await start();
    await s.client.hset(`${s.prefix}.result.x.k`, 'e', 'JgrZyucD', 's', '4');
    await s.client.hset(`${s.prefix}.result.x.n`, 'e', '');
    const suppressed = 'idempotency';
    expect(await s.send('1', kept({ idempotencyKey: 'k' }))).toEqual({ offset: 4, epoch: 'JgrZyucD', suppressed });
    const unstored = publishOptions({ idempotencyKey: 'n' });
    expect(await s.send('1', unstored)).toEqual({ offset: 0, epoch: '', suppressed });
  });

  it('presence, without those that have expired', async () => {
    using s = await start();
    const now = Math.floor(at.first / 1000);
    await s.client.hset(`${s.prefix}.presence.data.x`, ANN.client, bytes(ANN.info), 'gone', bytes(ANN.info));
    await s.client.zadd(`${s.prefix}.presence.expire.x`, now + 1, ANN.client, now, 'gone');
    const found = await s.presence.presence('x');
    expect([...found].map(([client, info]) => [client, decodeClientInfo(info).user])).toEqual([[ANN.client, 'u1']]);
    expect(await s.client.hkeys(`${s.prefix}.presence.data.x`)).toEqual([ANN.client]);
  });
});
