import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { methods } from '../../src/api/methods.js';
import { ENTRY_JSON, encodeEntry, setEntryOffset } from '../../src/protocol/entry.js';
import { JsonReader } from '../../src/protocol/json-reader.js';
import { API, failure } from '../support/grpc.js';
import { serveApi } from './serving.js';

const bytes = (text: string): Buffer => Buffer.from(text);
const DATA = bytes('{"n":1}');
const TRANSPORT = { 'x-centrifugo-error-mode': 'transport' };

test('the definition has the methods, and their fields, under the names that the methods have', () => {
  const camelCase = (name: string): string => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  const defined = Object.entries(API).map(([name, { requestType }]) => {
    const { field } = requestType.type as { field: { name: string }[] };
    const method = name.replace(/(?<=[a-z])[A-Z]/g, '_$&').toLowerCase();
    return [method, field.map((one) => camelCase(one.name)).sort()] as const;
  });
  // Channels of these types are not there yet: their requests are not looked at.
  const isThere = ([name]: readonly [string, unknown]) => !/^(map_|shared_poll_)/.test(name) && name !== 'batch';
  const served = methods.map(
    ({ name, request }) => [name, Object.keys(request.read(new JsonReader(bytes('{}')))).sort()] as const,
  );
  expect(Object.fromEntries(defined.filter(isThere))).toEqual(Object.fromEntries(served.filter(isThere)));
  expect(defined.map(([name]) => name).sort()).toEqual(['batch', ...served.map(([name]) => name)].sort());
});

test('publish: every field arrives, data may be anything', async () => {
  const { api, channels } = await serveApi();
  channels.position = { offset: 5, epoch: 'ab' };
  const request = {
    channel: 'stream:1',
    data: DATA,
    skip_history: true,
    tags: { a: 'b', ['__proto__']: 'c' },
    idempotency_key: 'once',
    delta: true,
    version: 2 ** 40,
    version_epoch: 'v',
  };
  expect(await api.call('Publish', request)).toEqual({ result: { offset: 5, epoch: 'ab' } });
  await api.call('Publish', { channel: 'a', data: Buffer.of(0xff, 0) });
  await api.call('Publish', { channel: 'a', b64data: 'e30=' });
  const [first, second, third] = channels.published;
  expect(first).toMatchObject({
    channel: 'stream:1',
    data: '{"n":1}',
    call: { skipHistory: true, idempotencyKey: 'once', delta: true, version: 2 ** 40, versionEpoch: 'v' },
  });
  expect(Object.entries(first!.tags!)).toEqual([
    ['a', 'b'],
    ['__proto__', 'c'],
  ]);
  expect(first!.flags).not.toBe(second!.flags);
  expect(second!.data).toBe('\ufffd\0');
  expect(third!.data).toBe('{}');
});

test('bytes that look like JSON and are not are not passed on as JSON', async () => {
  const { api, channels } = await serveApi();
  await api.call('Publish', { channel: 'a', data: DATA });
  await api.call('Broadcast', { channels: ['a'], data: bytes('{"n":') });
  const [json, broken] = channels.published.map(({ flags }) => flags);
  expect(json).not.toBe(0);
  expect(broken).toBe(0);
});

test('broadcast answers for each channel', async () => {
  const { api, channels } = await serveApi();
  channels.position = { offset: 1, epoch: 'ab' };
  const { result } = await api.call('Broadcast', { channels: ['a', 'none:a', ''], data: DATA });
  expect(result.responses).toEqual([
    { result: { offset: 1, epoch: 'ab' } },
    { error: { code: 102, message: 'unknown channel' } },
    { error: { code: 107, message: 'bad request' } },
  ]);
});

test('history', async () => {
  const { api, channels } = await serveApi();
  const info = { user: 'u', client: 'c', connInfo: bytes('1'), chanInfo: bytes('2') };
  channels.position = { offset: 7, epoch: 'ab' };
  const stored = encodeEntry({ data: Buffer.of(0xff), info, tags: { a: 'b' } }, 0);
  setEntryOffset(stored, 7);
  // As they are stored, one after the other.
  channels.publications = { bytes: stored };
  const since = { offset: 6, epoch: 'ab' };
  const { result } = await api.call('History', { channel: 'stream:1', limit: -5, since, reverse: true });
  expect(result).toEqual({
    offset: 7,
    epoch: 'ab',
    publications: [
      {
        offset: 7,
        data: Buffer.of(0xff),
        info: { user: 'u', client: 'c', conn_info: bytes('1'), chan_info: bytes('2') },
        tags: { a: 'b' },
      },
    ],
  });
  await api.call('History', { channel: 'stream:1' });
  expect(channels.asked).toEqual([
    { channel: 'stream:1', limit: -1, since, reverse: true },
    { channel: 'stream:1', limit: 0, since: undefined, reverse: false },
  ]);
});

test('what is told about a channel', async () => {
  const { api, channels } = await serveApi();
  channels.clients = { c1: { user: 'u', client: 'c1', connInfo: bytes('{}') } };
  expect(await api.call('Presence', { channel: 'stream:1' })).toEqual({
    result: { presence: { c1: { user: 'u', client: 'c1', conn_info: bytes('{}') } } },
  });
  expect(await api.call('PresenceStats', { channel: 'stream:1' })).toEqual({
    result: { num_clients: 3, num_users: 2 },
  });
  expect(await api.call('HistoryRemove', { channel: 'stream:1' })).toEqual({ result: {} });
});

test('operations on the connections of a user', async () => {
  const { api, ops } = await serveApi();
  const target = { user: 'u', client: 'c', session: 's' };
  const empty = { result: {} };
  const subscribe = {
    ...target,
    channel: 'stream:1',
    expire_at: 3_000_000_000,
    info: bytes('i'),
    b64data: 'AQI=',
    recover_since: { offset: 3, epoch: 'ab' },
    override: { presence: { value: false }, force_recovery: { value: true }, force_positioning: {} },
  };
  expect(await api.call('Subscribe', subscribe)).toEqual(empty);
  expect(await api.call('Unsubscribe', { ...target, channel: 'a' })).toEqual(empty);
  expect(await api.call('Disconnect', { ...target, whitelist: ['x'] })).toEqual(empty);
  expect(await api.call('Disconnect', { ...target, disconnect: { code: 4000, reason: 'r' } })).toEqual(empty);
  expect(await api.call('Refresh', { ...target, expired: true, expire_at: -1, info: bytes('i') })).toEqual(empty);
  expect(ops.map(([kind]) => kind)).toEqual(['subscribe', 'unsubscribe', 'disconnect', 'disconnect', 'refresh']);
  expect(ops[0]![1]).toEqual({
    ...target,
    channel: 'stream:1',
    info: bytes('i').toString('base64'),
    data: 'AQI=',
    expireAt: 3_000_000_000,
    recoverSince: { offset: 3, epoch: 'ab' },
    presence: false,
    joinLeave: true,
    forcePushJoinLeave: false,
    forceRecovery: true,
    forcePositioning: false,
  });
  expect(ops[1]![1]).toMatchObject({ ...target, channel: 'a' });
  expect(ops[2]![1]).toMatchObject({ ...target, whitelist: ['x'], disconnect: { code: 3503 } });
  expect(ops[3]![1]).toMatchObject({ ...target, whitelist: [], disconnect: { code: 4000, reason: 'r' } });
  expect(ops[4]![1]).toMatchObject({ ...target, expired: true, expireAt: -1, info: bytes('i').toString('base64') });
});

test('the server: nodes and channels', async () => {
  const { api, clock } = await serveApi();
  clock.advance(3_500);
  const { nodes } = (await api.call('Info')).result;
  expect(nodes).toEqual([
    {
      uid: 'uid-1',
      name: 'host_8000',
      version: '0.1.0',
      num_clients: 4,
      num_users: 3,
      num_channels: 2,
      num_subs: 4,
      uptime: 3,
    },
  ]);
  expect((await api.call('Channels')).result.channels).toEqual({
    news: { num_clients: 3 },
    'chat:1': { num_clients: 1 },
  });
  expect((await api.call('Channels', { pattern: 'chat*' })).result.channels).toEqual({ 'chat:1': { num_clients: 1 } });
});

test('a batch: in order, each with its own outcome', async () => {
  const { api, channels } = await serveApi();
  channels.position = { offset: 1, epoch: 'ab' };
  const commands = [
    { publish: { channel: 'stream:1', data: bytes('[') } },
    { presence_stats: { channel: 'stream:1' } },
    { rpc: { method: 'm' } },
    {},
    { channels: {} },
    { map_clear: { channel: 'a' } },
  ];
  for (const parallel of [false, true]) {
    expect(await api.call('Batch', { commands, parallel })).toEqual({
      replies: [
        { publish: { offset: 1, epoch: 'ab' } },
        { presence_stats: { num_clients: 3, num_users: 2 } },
        { error: { code: 104, message: 'not found' } },
        { error: { code: 104, message: 'not found' } },
        { channels: { channels: { news: { num_clients: 3 }, 'chat:1': { num_clients: 1 } } } },
        { error: { code: 108, message: 'not available' } },
      ],
    });
  }
  expect(channels.published[0]!.flags & ENTRY_JSON).toBe(0);
  expect(await api.call('Batch')).toEqual({});
});

test('errors are in the response', async () => {
  const { api } = await serveApi();
  const error = async (method: string, request: object) => (await api.call(method, request)).error;
  expect(await error('Publish', {})).toEqual({ code: 107, message: 'bad request' });
  expect(await error('Publish', { channel: 'none:a', data: DATA })).toEqual({ code: 102, message: 'unknown channel' });
  expect(await error('Publish', { channel: 'a', b64data: '*' })).toEqual({ code: 107, message: 'bad request' });
  expect(await error('RPC', { method: 'm', params: DATA })).toEqual({ code: 104, message: 'not found' });
  for (const method of ['MapPublish', 'MapRemove', 'MapReadState', 'MapReadStream', 'MapStats', 'MapClear'])
    expect(await error(method, { channel: 'map:a' })).toEqual({ code: 108, message: 'not available' });
  expect(await error('SharedPollPublish', { channel: 'a' })).toEqual({ code: 108, message: 'not available' });
});

test('or in the status, where the configuration or the caller wants it so', async () => {
  const { api, channels } = await serveApi();
  channels.position = { offset: 1, epoch: 'ab' };
  const cases: [string, object, status][] = [
    ['Publish', {}, status.INVALID_ARGUMENT],
    ['Publish', { channel: 'none:a', data: DATA }, status.NOT_FOUND],
    ['RPC', { method: 'm' }, status.NOT_FOUND],
    ['Presence', { channel: 'a' }, status.INVALID_ARGUMENT],
    ['History', { channel: 'stream:1', since: { offset: 1, epoch: 'zz' } }, status.OUT_OF_RANGE],
  ];
  for (const [method, request, code] of cases)
    expect((await failure(api.call(method, request, TRANSPORT))).code).toBe(code);
  channels.error = { code: 100, message: 'internal server error', temporary: true };
  expect((await failure(api.call('Publish', { channel: 'a', data: DATA }, TRANSPORT))).code).toBe(status.INTERNAL);

  const { api: configured } = await serveApi({ error_mode: 'transport' });
  const { details, metadata } = await failure(configured.call('Publish', { channel: 'none:a', data: DATA }));
  expect(details).toBe('unknown channel');
  // As Centrifugo 6.9 sends it: code 5, the message, and the error as a detail.
  expect((metadata.get('grpc-status-details-bin')[0] as Buffer).toString('latin1')).toBe(
    '\x08\x05\x12\x0funknown channel\x1aK\n4type.googleapis.com/centrifugal.centrifugo.api.Error' +
      '\x12\x13\x08f\x12\x0funknown channel',
  );
});

test('a method that fails unexpectedly is answered 100', async () => {
  const { api, channels, logged } = await serveApi();
  channels.publish = () => {
    throw new Error('a bug');
  };
  const { error } = await api.call('Publish', { channel: 'a', data: DATA });
  expect(error).toEqual({ code: 100, message: 'internal server error' });
  expect(logged).toEqual(['server API method failed']);
});

test('only who shows the key is let in', async () => {
  const { api, channels } = await serveApi({ key: 'the key' });
  const publish = (authorization?: string) =>
    api.call('Publish', { channel: 'a', data: DATA }, authorization === undefined ? {} : { authorization });
  for (const wrong of [undefined, 'apikey', 'apikey ', 'apikey the', 'apikey the key ', 'the key', 'Bearer the key']) {
    const { code, details } = await failure(publish(wrong));
    expect([code, details]).toEqual([status.UNAUTHENTICATED, 'unauthenticated']);
  }
  expect(channels.published).toEqual([]);
  expect(await publish('apikey the key')).toHaveProperty('result');
});

test('requests may be compressed', async () => {
  const { api, channels } = await serveApi({}, { gzip: true });
  const data = bytes(JSON.stringify('x'.repeat(100_000)));
  await api.call('Publish', { channel: 'a', data });
  expect(channels.published[0]!.data).toHaveLength(data.length);
});

test('malformed and unknown calls are refused, and the connection goes on', async () => {
  const { api } = await serveApi();
  const { path } = API.Publish!;
  const malformed = await failure(api.raw(path, Buffer.of(0x0f), (reply) => reply));
  expect(malformed.code).toBe(status.INTERNAL);
  const unknown = await failure(api.raw(path.replace('Publish', 'BlockUser'), Buffer.alloc(0), (reply) => reply));
  expect(unknown.code).toBe(status.UNIMPLEMENTED);
  expect(await api.call('RPC', { method: 'm' })).toHaveProperty('error');
});

test('a request has a largest size, compressed or not', async () => {
  const request = (bytesOfData: number) => ({ channel: 'a', data: Buffer.alloc(bytesOfData, '1') });
  const { api } = await serveApi({ max_receive_message_size: 10_000 });
  expect(await api.call('Publish', request(9_900))).toHaveProperty('result');
  expect((await failure(api.call('Publish', request(10_000)))).code).toBe(status.RESOURCE_EXHAUSTED);

  const { api: gzip } = await serveApi({ max_receive_message_size: 10_000 }, { gzip: true });
  expect((await failure(gzip.call('Publish', request(100_000)))).code).toBe(status.RESOURCE_EXHAUSTED);

  const { api: byDefault } = await serveApi();
  expect(await byDefault.call('Publish', request(4_000_000))).toHaveProperty('result');
  expect((await failure(byDefault.call('Publish', request(4 << 20)))).code).toBe(status.RESOURCE_EXHAUSTED);
});
