import { describe, expect, it } from 'vitest';
import { errors } from '../../src/protocol/codes.js';
import { ENTRY_DELTA, ENTRY_JSON } from '../../src/protocol/entry.js';
import { publication, rig, worker } from './rig.js';

const failure = (code: number, message: string) => JSON.stringify({ error: { code, message } });
const BAD_REQUEST = failure(107, 'bad request');
const UNKNOWN_CHANNEL = failure(102, 'unknown channel');
const NOT_AVAILABLE = failure(108, 'not available');
const NOT_FOUND = failure(104, 'not found');
const INTERNAL = failure(100, 'internal server error');

describe('refusals', () => {
  const cases: [string, string, unknown, string][] = [
    ['publish without channel', 'publish', { data: {} }, BAD_REQUEST],
    ['publish without data', 'publish', { channel: 'c' }, BAD_REQUEST],
    ['publish, unknown namespace', 'publish', { channel: 'no:c', data: {} }, UNKNOWN_CHANNEL],
    ['publish to a map', 'publish', { channel: 'map:c', data: {} }, BAD_REQUEST],
    ['publish, b64data is not base64', 'publish', { channel: 'c', b64data: '***' }, BAD_REQUEST],
    ['publish, b64data without padding', 'publish', { channel: 'c', b64data: 'YQ' }, BAD_REQUEST],
    ['publish, json namespace, not json', 'publish', { channel: 'json:c', b64data: 'YQ==' }, BAD_REQUEST],
    ['publish, object namespace, a number', 'publish', { channel: 'object:c', data: 1 }, BAD_REQUEST],
    ['publish null is empty', 'publish', null, BAD_REQUEST],
    ['broadcast without channels', 'broadcast', { data: {} }, BAD_REQUEST],
    ['broadcast, b64data is not base64', 'broadcast', { channels: ['c'], b64data: '*' }, BAD_REQUEST],
    ['subscribe without channel', 'subscribe', { user: 'u' }, BAD_REQUEST],
    ['subscribe, unknown namespace', 'subscribe', { user: 'u', channel: 'no:c' }, UNKNOWN_CHANNEL],
    ['subscribe, b64info', 'subscribe', { channel: 'c', b64info: '*' }, BAD_REQUEST],
    ['subscribe, b64data', 'subscribe', { channel: 'c', b64data: '*' }, BAD_REQUEST],
    ['unsubscribe, unknown namespace', 'unsubscribe', { user: 'u', channel: 'no:c' }, UNKNOWN_CHANNEL],
    ...['presence', 'presence_stats', 'history', 'history_remove'].flatMap(
      (method): [string, string, unknown, string][] => [
        [`${method} without channel`, method, {}, BAD_REQUEST],
        [`${method}, unknown namespace`, method, { channel: 'no:c' }, UNKNOWN_CHANNEL],
        [`${method} where it is off`, method, { channel: 'c' }, NOT_AVAILABLE],
      ],
    ),
    ['history before the beginning', 'history', { channel: 'stream:c', reverse: true, since: {} }, BAD_REQUEST],
    ['channels, malformed pattern', 'channels', { pattern: '[a' }, BAD_REQUEST],
    ['rpc without method', 'rpc', {}, BAD_REQUEST],
    ['rpc', 'rpc', { method: 'm', params: {} }, NOT_FOUND],
    ...['map_publish', 'map_remove', 'map_read_state', 'map_read_stream', 'map_stats', 'map_clear'].map(
      (method): [string, string, unknown, string] => [method, method, { channel: 'map:c', key: 'k' }, NOT_AVAILABLE],
    ),
    ['shared_poll_publish', 'shared_poll_publish', { channel: 'c', key: 'k', version: 1 }, NOT_AVAILABLE],
  ];
  it.each(cases)('%s', async (_, method, body, expected) => {
    const { post, channels, ops } = rig();
    expect(await post(method, body)).toEqual({ status: 200, type: 'application/json', body: expected });
    expect([channels.published, channels.asked, ops]).toEqual([[], [], []]);
  });

  const malformed = ['', '{', '[]', '"x"', '{"channel":1}', '{"channel":"c"} x', '{"channel":"c","data":{]}'];
  it.each(malformed)('a malformed body is 400: %s', async (body) => {
    const { post, channels } = rig();
    expect(await post('publish', body)).toEqual({
      status: 400,
      type: 'text/plain; charset=utf-8',
      body: 'Bad Request\n',
    });
    expect(channels.published).toEqual([]);
  });

  it.each([
    ['publish', '{"version":-1}'],
    ['publish', '{"tags":{"a":1}}'],
    ['broadcast', '{"channels":"c"}'],
    ['disconnect', '{"disconnect":{"code":-1}}'],
    ['disconnect', '{"whitelist":{}}'],
    ['history', '{"limit":1.5}'],
    ['history', '{"limit":3000000000}'],
    ['subscribe', '{"override":{"presence":true}}'],
    ['batch', '{"commands":[{"publish":1}]}'],
    ['info', ''],
  ])('a value of the wrong type is 400: %s %s', async (method, body) => {
    expect((await rig().post(method, body)).status).toBe(400);
  });
});

describe('publish', () => {
  it('answers with the position, and with nothing where nothing is kept', async () => {
    const { post, channels } = rig();
    expect((await post('publish', { channel: 'c', data: {} })).body).toBe('{"result":{}}');
    channels.position = { offset: 2 ** 40, epoch: 'abcd' };
    expect((await post('publish', { channel: 'c', data: {} })).body).toBe(
      '{"result":{"offset":1099511627776,"epoch":"abcd"}}',
    );
  });

  it('carries data byte for byte', async () => {
    const { post, channels } = rig();
    const data = '{"b" : 12345678901234567890.10, "a":"\\u00e9 <é>", "a": [ ] }';
    await post('publish', `{"data": ${data} ,"channel":"c"}`);
    expect(channels.published[0]).toMatchObject({ channel: 'c', data, flags: ENTRY_JSON });
  });

  it('takes null for data that is null', async () => {
    const { post, channels } = rig();
    await post('publish', '{"channel":"c","data":null}');
    expect(channels.published[0]!.data).toBe('null');
  });

  it('passes every option on', async () => {
    const { post, channels } = rig();
    const tags = { b: '2', __proto__: '1' };
    await post(
      'publish',
      `{"channel":"c","data":1,"skip_history":true,"tags":${JSON.stringify(tags)},"idempotency_key":"k","delta":true,
        "version":7,"version_epoch":"v"}`,
    );
    expect(channels.published[0]).toEqual({
      channel: 'c',
      data: '1',
      tags,
      flags: ENTRY_JSON | ENTRY_DELTA,
      call: { skipHistory: true, idempotencyKey: 'k', delta: true, version: 7, versionEpoch: 'v' },
    });
  });

  it('asks for delta where the namespace does', async () => {
    const { post, channels } = rig();
    await post('publish', { channel: 'stream:c', data: 1 });
    expect(channels.published[0]).toMatchObject({ flags: ENTRY_JSON | ENTRY_DELTA, call: { delta: true } });
  });

  it('prefers b64data, and knows whether it is JSON', async () => {
    const { post, channels } = rig();
    const b64 = (text: string) => Buffer.from(text).toString('base64');
    await post('publish', { channel: 'c', data: { ignored: 1 }, b64data: b64('{"a":1}') });
    await post('publish', { channel: 'c', b64data: b64('{a') });
    expect(channels.published).toMatchObject([
      { data: '{"a":1}', flags: ENTRY_JSON },
      { data: '{a', flags: 0 },
    ]);
  });

  it('allows empty data where the format is binary', async () => {
    const { post, channels } = rig();
    expect((await post('publish', { channel: 'binary:c' })).body).toBe('{"result":{}}');
    expect(channels.published[0]!.data).toBe('');
  });

  it.each([
    ['a full queue', errors.tooManyRequests, failure(111, 'too many requests')],
    ['a deadline', errors.internal, INTERNAL],
    ['anything else', errors.permissionDenied, INTERNAL],
  ])('reports %s', async (_, error, expected) => {
    const { post, channels } = rig();
    channels.error = error;
    expect((await post('publish', { channel: 'c', data: 1 })).body).toBe(expected);
  });

  it('answers at once when the channel does, else later', () => {
    const { serve, channels } = rig();
    const statuses: number[] = [];
    const publish = () => serve('/api/publish', '{"channel":"c","data":1}', {}, ({ status }) => statuses.push(status));
    publish();
    expect(statuses).toEqual([200]);
    channels.held = [];
    publish();
    expect(statuses).toEqual([200]);
    for (const end of channels.held) end();
    expect(statuses).toEqual([200, 200]);
  });

  it('survives a method that throws', async () => {
    const { post, channels, logged } = rig();
    channels.publish = () => {
      throw new Error('bug');
    };
    expect((await post('publish', { channel: 'c', data: 1 })).body).toBe(INTERNAL);
    expect(logged).toHaveLength(1);
  });
});

describe('broadcast', () => {
  it('answers for each channel in order, maps and repeated ones included', async () => {
    const { post, channels } = rig();
    channels.position = { offset: 5, epoch: 'e' };
    const body = { channels: ['a', '', 'no:c', 'map:c', 'object:c', 'a'], data: 1 };
    const ok = { result: { offset: 5, epoch: 'e' } };
    const bad = { error: { code: 107, message: 'bad request' } };
    expect((await post('broadcast', body)).body).toBe(
      JSON.stringify({
        result: { responses: [ok, bad, { error: { code: 102, message: 'unknown channel' } }, ok, bad, ok] },
      }),
    );
    expect(channels.published.map(({ channel }) => channel)).toEqual(['a', 'map:c', 'a']);
  });

  it('asks for delta only where it is wanted', async () => {
    const { post, channels } = rig();
    await post('broadcast', { channels: ['a', 'stream:b', 'c'], data: 1 });
    expect(channels.published.map(({ flags }) => flags)).toEqual([ENTRY_JSON, ENTRY_JSON | ENTRY_DELTA, ENTRY_JSON]);
  });

  it('keeps at most 1024 publications in flight and the order of responses', async () => {
    const { start, channels } = rig();
    const held: (() => void)[] = [];
    channels.held = held;
    const names = Array.from({ length: 1500 }, (_, i) => `c${i}`);
    const answer = start('/api/broadcast', JSON.stringify({ channels: names, data: 1 }));
    expect(held).toHaveLength(1024);
    for (let i = held.length - 1; i >= 0; i--) held[i]!();
    expect(held).toHaveLength(1500);
    for (const end of held.slice(1024)) end();
    const { result } = JSON.parse(Buffer.from((await answer).body!).toString());
    expect(result.responses).toEqual(names.map(() => ({ result: {} })));
  });
});

describe('acting on connections', () => {
  const target = { user: 'u', client: 'c', session: 's' };

  it('subscribes with the options of the namespace', async () => {
    const { post, ops } = rig();
    const body =
      '{"user":"u","client":"c","session":"s","channel":"stream:1","info":{"a": 1},"data":[1 ],"expire_at":9}';
    expect((await post('subscribe', body)).body).toBe('{"result":{}}');
    expect(ops).toEqual([
      [
        'subscribe',
        {
          ...target,
          channel: 'stream:1',
          info: Buffer.from('{"a": 1}').toString('base64'),
          data: Buffer.from('[1 ]').toString('base64'),
          expireAt: 9,
          recoverSince: undefined,
          presence: true,
          joinLeave: true,
          forcePushJoinLeave: false,
          forceRecovery: false,
          forcePositioning: false,
        },
      ],
    ]);
  });

  it('subscribes with overrides, b64 payloads and a position to recover from', async () => {
    const { post, ops } = rig();
    await post('subscribe', {
      channel: 'stream:1',
      b64info: 'YQ==',
      info: 1,
      b64data: 'Yg==',
      recover_since: { offset: 3, epoch: 'e' },
      override: {
        presence: { value: false },
        join_leave: { value: false },
        force_push_join_leave: { value: true },
        force_recovery: { value: true },
        force_positioning: null,
      },
    });
    expect(ops[0]![1]).toMatchObject({
      user: '',
      info: 'YQ==',
      data: 'Yg==',
      recoverSince: { offset: 3, epoch: 'e' },
      presence: false,
      joinLeave: false,
      forcePushJoinLeave: true,
      forceRecovery: true,
      forcePositioning: false,
    });
  });

  it('unsubscribes, also from no channel in particular', async () => {
    const { post, ops } = rig();
    for (const channel of ['c', ''])
      expect((await post('unsubscribe', { ...target, channel })).body).toBe('{"result":{}}');
    const unsubscribe = { code: 2000, reason: 'server unsubscribe' };
    expect(ops).toEqual([
      ['unsubscribe', { ...target, channel: 'c', unsubscribe }],
      ['unsubscribe', { ...target, channel: '', unsubscribe }],
    ]);
  });

  it('disconnects with 3503 or what is given', async () => {
    const { post, ops } = rig();
    await post('disconnect', { user: 'u' });
    await post('disconnect', { ...target, whitelist: ['x', 'y'], disconnect: { code: 4001, reason: 'bye' } });
    expect(ops).toEqual([
      [
        'disconnect',
        { user: 'u', client: '', session: '', whitelist: [], disconnect: { code: 3503, reason: 'force disconnect' } },
      ],
      ['disconnect', { ...target, whitelist: ['x', 'y'], disconnect: { code: 4001, reason: 'bye' } }],
    ]);
  });

  it('refreshes', async () => {
    const { post, ops } = rig();
    await post('refresh', { ...target, expired: true, expire_at: 17, info: 1 });
    await post('refresh', { user: 'u' });
    expect(ops).toEqual([
      ['refresh', { ...target, expired: true, expireAt: 17, info: 'MQ==' }],
      ['refresh', { user: 'u', client: '', session: '', expired: false, expireAt: 0, info: '' }],
    ]);
  });

  it.each(['subscribe', 'unsubscribe', 'disconnect', 'refresh'])('reports that %s failed', async (method) => {
    const { post, failing } = rig();
    failing.error = errors.alreadySubscribed;
    expect((await post(method, { user: 'u', channel: 'c' })).body).toBe(INTERNAL);
    failing.error = errors.tooManyRequests;
    expect((await post(method, { user: 'u', channel: 'c' })).body).toBe(failure(111, 'too many requests'));
  });
});

describe('presence', () => {
  it('shows clients in the order of their ids', async () => {
    const { post, channels } = rig();
    expect((await post('presence', { channel: 'stream:c' })).body).toBe('{"result":{"presence":{}}}');
    channels.clients = {
      c2: { client: 'c2', user: '' },
      c1: { client: 'c1', user: 'u<', connInfo: Buffer.from('{"n":1}'), chanInfo: Buffer.from('2') },
    };
    expect((await post('presence', { channel: 'stream:c' })).body).toBe(
      '{"result":{"presence":{"c1":{"user":"u\\u003c","client":"c1","conn_info":{"n":1},"chan_info":2},' +
        '"c2":{"user":"","client":"c2"}}}}',
    );
  });

  it('shows numbers, zeros included', async () => {
    const { post, channels } = rig();
    expect((await post('presence_stats', { channel: 'stream:c' })).body).toBe(
      '{"result":{"num_clients":3,"num_users":2}}',
    );
    channels.stats = { numClients: 0, numUsers: 0 };
    expect((await post('presence_stats', { channel: 'stream:c' })).body).toBe(
      '{"result":{"num_clients":0,"num_users":0}}',
    );
  });

  it('is a 500 when an info is not JSON', async () => {
    const { post, channels } = rig();
    channels.clients = { c: { client: 'c', user: 'u', connInfo: Buffer.from('{') } };
    expect(await post('presence', { channel: 'stream:c' })).toEqual({
      status: 500,
      type: 'text/plain; charset=utf-8',
      body: 'Internal Server Error\n',
    });
  });

  it.each(['presence', 'presence_stats', 'history', 'history_remove'])('%s reports failures', async (method) => {
    const { post, channels } = rig();
    channels.error = errors.internal;
    expect((await post(method, { channel: 'stream:c' })).body).toBe(INTERNAL);
  });
});

describe('history', () => {
  it('shows publications as they were published', async () => {
    const { post, channels } = rig();
    channels.position = { offset: 2, epoch: 'e' };
    channels.publications = [
      publication({ offset: 1, data: Buffer.from('{"a": 1}'), json: true, tags: { b: '2', a: '1' } }),
      publication({ offset: 2, data: Buffer.from('[\n1]'), info: { user: 'u', client: 'c' } }),
    ];
    expect((await post('history', { channel: 'stream:c', limit: 10 })).body).toBe(
      '{"result":{"publications":[{"data":{"a": 1},"offset":1,"tags":{"a":"1","b":"2"}},' +
        '{"data":[1],"info":{"user":"u","client":"c"},"offset":2}],"epoch":"e","offset":2}}',
    );
  });

  it('shows an empty stream', async () => {
    const { post } = rig();
    expect((await post('history', { channel: 'stream:c' })).body).toBe(
      '{"result":{"publications":[],"epoch":"","offset":0}}',
    );
  });

  it.each([
    [{}, { limit: 0, since: undefined, reverse: false }],
    [{ limit: -7 }, { limit: -1, since: undefined, reverse: false }],
    [
      { limit: 3, reverse: true },
      { limit: 3, since: undefined, reverse: true },
    ],
    [{ since: { offset: 4 } }, { limit: 0, since: { offset: 4, epoch: '' }, reverse: false }],
    [
      { since: {}, limit: 1 },
      { limit: 1, since: { offset: 0, epoch: '' }, reverse: false },
    ],
    [
      { since: null, reverse: true },
      { limit: 0, since: undefined, reverse: true },
    ],
  ])('asks for %j', async (asked, expected) => {
    const { post, channels } = rig();
    await post('history', { channel: 'stream:c', ...asked });
    expect(channels.asked).toEqual([{ channel: 'stream:c', ...expected }]);
  });

  it('refuses a position of another epoch', async () => {
    const { post, channels } = rig();
    channels.position = { offset: 5, epoch: 'now' };
    const since = (epoch: string) => post('history', { channel: 'stream:c', limit: 1, since: { offset: 1, epoch } });
    expect((await since('then')).body).toBe(failure(112, 'unrecoverable position'));
    expect((await since('now')).body).toContain('"result"');
    expect((await since('')).body).toContain('"result"');
  });

  it('is a 500 when a payload is not JSON', async () => {
    const { post, channels } = rig();
    channels.publications = [publication({ data: Buffer.from([0xff]) })];
    expect((await post('history', { channel: 'stream:c', limit: 1 })).status).toBe(500);
    expect((await post('history', { channel: 'stream:c', limit: 1 })).body).toBe('Internal Server Error\n');
  });

  it('is removed', async () => {
    const { post, channels } = rig();
    expect((await post('history_remove', { channel: 'stream:c' })).body).toBe('{"result":{}}');
    expect(channels.asked).toEqual([{ channel: 'stream:c' }]);
  });
});

describe('surveys', () => {
  it('adds up channels over workers', async () => {
    const { post } = rig();
    expect((await post('channels', {})).body).toBe(
      '{"result":{"channels":{"chat:1":{"num_clients":1},"news":{"num_clients":3}}}}',
    );
    expect((await post('channels', { pattern: 'chat:*' })).body).toBe(
      '{"result":{"channels":{"chat:1":{"num_clients":1}}}}',
    );
    expect((await post('channels', { pattern: 'x' })).body).toBe('{"result":{"channels":{}}}');
  });

  it('keeps a channel with a name that objects have', async () => {
    const { post } = rig({ insecure: true }, [worker([], { ['__proto__']: 1, constructor: 2 })]);
    expect((await post('channels', {})).body).toBe(
      '{"result":{"channels":{"__proto__":{"num_clients":1},"constructor":{"num_clients":2}}}}',
    );
  });

  it('counts users and channels that are on several workers once', async () => {
    const { post, clock } = rig();
    clock.advance(61_500);
    expect((await post('info', {})).body).toBe(
      '{"result":{"nodes":[{"uid":"uid-1","name":"host_8000","version":"0.1.0","num_clients":4,"num_users":3,' +
        '"num_channels":2,"uptime":61,"num_subs":4}]}}',
    );
  });

  it('reports that a worker did not tell its channels', async () => {
    const { post, threads } = rig();
    threads.dead.add(1);
    expect((await post('channels', {})).body).toBe(INTERNAL);
  });

  it('counts what a worker said last when it does not answer', async () => {
    const { post, threads } = rig();
    const before = (await post('info', {})).body;
    threads.dead.add(1);
    expect((await post('info', {})).body).toBe(before);
  });
});
