/** Clients without a library, which only hear: connecting, what they are told, recovery, and ends. */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import { Application } from '../support/application.js';
import { begin, type Listener, listen, UNI_TRANSPORTS, type UniTransport } from '../support/listener.js';
import { connected, connectionToken, json, now, values } from '../support/sdk.js';
import { type ConfigPart, startServer, type TestServer, WORKERS } from '../support/server.js';
import { until } from '../support/until.js';

const transports: ConfigPart = {
  uni_websocket: { enabled: true, write_timeout: '60s' },
  uni_sse: { enabled: true },
  uni_http_stream: { enabled: true },
};

let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    ...transports,
    init: { enabled: true },
    client: {
      user_id_http_header: 'X-User',
      ping_interval: '2s',
      pong_timeout: '1s',
      queue_max_size: 1 << 20,
      connect_code_to_unidirectional_disconnect: {
        enabled: true,
        transforms: [{ code: 102, to: { code: 4102, reason: 'no such channel' } }],
      },
    },
    // So that the queue decides who is slow.
    websocket: { write_timeout: '60s' },
    log: { level: 'debug' },
    channel: {
      without_namespace: { allow_subscribe_for_client: true, allow_publish_for_subscriber: true },
      namespaces: [
        {
          name: 'kept',
          allow_subscribe_for_client: true,
          allow_publish_for_subscriber: true,
          history_size: 1000,
          history_ttl: '1m',
          force_recovery: true,
          join_leave: true,
          force_push_join_leave: true,
          presence: true,
        },
      ],
    },
  });
  return () => server.stop();
});

const asking = (user: string, request: object = {}, claims: object = {}): object => ({
  token: connectionToken(user, claims),
  ...request,
});

describe.each(UNI_TRANSPORTS)('%s', (transport) => {
  const user = `ann by ${transport}`;

  test('tells everything that happens to the subscriptions of a connection, as bare pushes', async () => {
    const [a, b] = [`a ${transport}`, `b ${transport}`];
    const listener = await listen(server, transport, asking(user, { subs: { [a]: {} } }, { channels: [b] }));
    const { client, session } = listener.pushes[0].connect;
    expect(listener.pushes).toEqual([
      { connect: { client, session, version: expect.any(String), subs: { [a]: {}, [b]: {} }, ping: 2 } },
    ]);
    await server.publish(b, { text: 'ü\n "' });
    await server.api('subscribe', { user, channel: `c ${transport}`, data: [1] });
    await server.publish(`c ${transport}`, 2, { tags: { k: 'v' } });
    await server.api('unsubscribe', { user, channel: b });
    await server.publish(b, 'not heard');
    await server.api('refresh', { user, session, expire_at: now() + 1000 });
    await server.api('disconnect', { user, session, disconnect: { code: 4000, reason: 'go' } });
    await until('the end', () => listener.ended);
    expect(listener.pushes.slice(1).filter((push) => Object.keys(push).length > 0)).toEqual([
      { channel: b, pub: { data: { text: 'ü\n "' } } },
      { channel: `c ${transport}`, subscribe: { data: [1] } },
      { channel: `c ${transport}`, pub: { data: 2, tags: { k: 'v' } } },
      { channel: b, unsubscribe: { code: 2000, reason: 'server unsubscribe' } },
      { refresh: { expires: true, ttl: expect.any(Number) } },
      { disconnect: { code: 4000, reason: 'go' } },
    ]);
  });

  test('is among clients of other kinds, on all workers', async () => {
    const channel = `kept:mixed ${transport}`;
    const listeners: Listener[] = [];
    for (let i = 0; i < WORKERS; i++) {
      listeners.push(await listen(server, transport, asking(`${user} ${i}`, { subs: { [channel]: {} } })));
    }
    const talker = await (await connected(server, json, `talker by ${transport}`)).subscribe(channel);
    for (const value of values(20)) await talker.subscription.publish(value);
    await talker.data(20);
    for (const listener of listeners) {
      await until('all publications', () => listener.publications(channel).length === 20);
      expect(listener.publications(channel).map(({ data }) => data)).toEqual(values(20));
      expect(await listener.push('join', ({ join }) => join.info.user.startsWith('talker'))).toMatchObject({ channel });
    }
    const { presence } = await server.api<{ presence: object }>('presence', { channel });
    expect(Object.keys(presence)).toHaveLength(WORKERS + 1);
    listeners[0]!.stop();
    await listeners[1]!.push('leave', ({ leave }) => leave.info.user === `${user} 0`);
  });

  test('recovers what was published in between, again and again, without a hole', async () => {
    const channel = `kept:recovered ${transport}`;
    const total = 200;
    let published = 0;
    const publishing = (async () => {
      while (published < total) await server.publish(channel, { n: published++ });
    })();
    const heard: number[] = [];
    let position = { offset: 0, epoch: '' };
    for (let round = 0; heard.length < total; round++) {
      const since = round === 0 ? {} : { recover: true, ...position };
      const listener = await listen(server, transport, asking(user, { subs: { [channel]: since } }));
      const sub = listener.pushes[0].connect.subs[channel];
      if (round === 0) for (let n = 0; n < (sub.offset ?? 0); n++) heard.push(n);
      else expect(sub).toMatchObject({ recovered: true, was_recovering: true, recoverable: true });
      await until('some more', () => listener.publications(channel).length > 7 || published === total);
      if (published === total) {
        await publishing;
        await until('the rest', () => heard.length + listener.publications(channel).length >= total);
      }
      listener.stop();
      const publications = listener.publications(channel);
      heard.push(...publications.map(({ data }) => data.n as number));
      position = { epoch: sub.epoch, offset: publications.at(-1)?.offset ?? sub.offset ?? 0 };
    }
    expect(heard).toEqual(Array.from({ length: total }, (_, n) => n));
  });

  test('says when a position cannot be recovered', async () => {
    const channel = `kept:unrecoverable ${transport}`;
    await server.publish(channel, 1);
    const since = { recover: true, offset: 0, epoch: 'another' };
    const listener = await listen(server, transport, asking(user, { subs: { [channel]: since } }));
    const sub = listener.pushes[0].connect.subs[channel];
    expect(sub).toMatchObject({ was_recovering: true, offset: 1 });
    expect(sub).not.toHaveProperty('recovered');
    expect(sub).not.toHaveProperty('publications');
  });

  test('is pinged by pushes of nothing', async () => {
    const listener = await listen(server, transport, asking(user));
    await until('a ping', () => listener.pushes.some((push) => Object.keys(push).length === 0));
    expect(listener.ended).toBe(false);
  });

  test.each([
    ['an invalid token', { token: 'x' }, { code: 3500, reason: 'invalid token' }],
    ['an expired token', { token: connectionToken('ann', { exp: 1 }) }, { code: 3005, reason: 'connection expired' }],
    ['no credentials', {}, { code: 3501, reason: 'bad request' }],
    [
      'a channel that cannot be',
      { token: connectionToken('ann', { channels: ['none:x'] }) },
      { code: 4102, reason: 'no such channel' },
    ],
  ])('is told why %s does not connect', async (_what, request, disconnect) => {
    const listener = begin(server, transport, request);
    await until('the end', () => listener.ended);
    expect(listener.pushes).toEqual([{ disconnect }]);
  });

  test('is who a trusted header says', async () => {
    const named = `by header ${transport}`;
    const listener = begin(server, transport, {}, { 'X-User': named });
    const { client } = (await listener.push('connect')).connect;
    await server.api('disconnect', { user: named, client });
    expect(await listener.push('disconnect')).toEqual({ disconnect: { code: 3503, reason: 'force disconnect' } });
  });
});

describe('a client that does not read', () => {
  const TEXT = 'x'.repeat(32 << 10);

  async function slow(transport: UniTransport, user: string, channel: string): Promise<Socket> {
    const socket = connectTcp(server.port, '127.0.0.1');
    const body = JSON.stringify(asking(user, { subs: { [channel]: {} } }));
    const path = `/connection/${transport}`;
    if (transport === 'uni_http_stream') {
      socket.write(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    } else {
      const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n';
      const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
      const query = `?cf_connect=${encodeURIComponent(body)}`;
      const kind = transport === 'uni_websocket' ? upgrade + key : '';
      socket.write(`GET ${path}${query} HTTP/1.1\r\nHost: a\r\n${kind}\r\n`);
    }
    for (let text = ''; !text.includes('"connect"'); ) text += String((await once(socket, 'data'))[0]);
    socket.pause();
    return socket;
  }

  test.each(UNI_TRANSPORTS)('is closed over %s before it costs memory, and told so', async (transport) => {
    const [user, channel] = [`slow by ${transport}`, `flood ${transport}`];
    const reader = await listen(server, transport, asking('reader', { subs: { [channel]: {} } }));
    const socket = await slow(transport, user, channel);
    const isClosed = (): boolean => server.log.some((line) => line.user === user && line.code === 3008);
    let count = 0;
    while (!isClosed()) {
      const commands = values(10, count).map((value) => ({ publish: { channel, data: { ...value, text: TEXT } } }));
      await server.call('batch', { commands });
      count += commands.length;
      await until('the other has it', () => reader.publications(channel).length === count);
      expect(count * TEXT.length).toBeLessThan(64 << 20);
    }
    expect(reader.publications(channel).map(({ data }) => ({ n: data.n }))).toEqual(values(count));
    let tail = '';
    socket.on('data', (chunk: Buffer) => {
      tail = (tail + chunk.toString('latin1')).slice(-300);
    });
    socket.resume();
    await until('the disconnect push', () => tail.includes('{"disconnect":{"code":3008,"reason":"slow"}}'));
    socket.destroy();
  });
});

describe('where the application is asked', () => {
  const REFUSED = { error: { code: 1000, message: 'not you' } };
  let application: Application;
  let asked: TestServer;

  beforeAll(async () => {
    application = await Application.open();
    const connect_code_to_http_response = {
      enabled: true,
      transforms: [{ code: 1000, to: { status_code: 403, body: 'go away' } }],
    };
    asked = await startServer({
      ...transports,
      uni_http_stream: { enabled: true, connect_code_to_http_response },
      workers: { count: 2 },
      client: {
        proxy: {
          connect: {
            enabled: true,
            endpoint: `${application.url}/connect`,
            http_headers: ['X-Real'],
            emulated_headers: ['X-Said'],
          },
          refresh: { enabled: true, endpoint: `${application.url}/refresh` },
        },
      },
    });
    return () => Promise.all([asked.stop(), application.close()]);
  });

  test.each(UNI_TRANSPORTS)('it decides who comes by %s, and who stays', async (transport) => {
    application.questions.length = 0;
    application.answer = ({ path }) =>
      path === '/refresh'
        ? { result: { expired: true } }
        : { result: { user: 'known', data: { hello: 1 }, channels: ['given'], expire_at: now() + 2 } };
    const request = { data: { i: 1 }, name: 'n', version: 'v', headers: { 'X-Said': 's' }, subs: { wish: {} } };
    const listener = begin(asked, transport, request, { 'X-Real': 'r' });
    const { connect } = await listener.push('connect');
    expect(connect).toMatchObject({ data: { hello: 1 }, subs: { given: {} } });
    // The server renews, not the client.
    expect(connect).not.toHaveProperty('expires');
    const [question] = application.questions;
    expect(question!.body).toEqual({
      client: connect.client,
      transport,
      protocol: 'json',
      encoding: 'json',
      name: 'n',
      version: 'v',
      channels: ['wish'],
      data: { i: 1 },
    });
    expect(question!.headers).toMatchObject({ 'x-real': 'r', 'x-said': 's' });
    await until('the end', () => listener.ended);
    expect(await listener.push('disconnect')).toEqual({ disconnect: { code: 3005, reason: 'connection expired' } });
    expect(application.questions.at(-1)!.path).toBe('/refresh');
  });

  test('an error of its own is a disconnect, or an HTTP answer', async () => {
    application.answer = () => REFUSED;
    for (const transport of ['uni_websocket', 'uni_sse'] as const) {
      const listener = begin(asked, transport);
      await until('the end', () => listener.ended);
      expect(listener.pushes).toEqual([{ disconnect: { code: 3004, reason: 'internal server error' } }]);
    }
    const answer = await asked.request('POST', '/connection/uni_http_stream', '{}');
    expect(answer).toEqual({ status: 403, body: 'go away' });
  });
});

test('a client may ask before it connects', async () => {
  expect(await server.request('GET', '/connection/init')).toEqual({ status: 200, body: '{}' });
});

test('a server that stops says so', async () => {
  const ending = await startServer({ ...transports, client: { allow_anonymous_connect_without_token: true } });
  const listeners = await Promise.all(UNI_TRANSPORTS.map((transport) => listen(ending, transport)));
  await ending.stop();
  for (const listener of listeners) {
    expect(await listener.push('disconnect')).toEqual({ disconnect: { code: 3001, reason: 'shutdown' } });
  }
});
