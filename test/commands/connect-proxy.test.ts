import { describe, expect, test } from 'vitest';
import { sources } from '../../src/auth/grant.js';
import { NO_HEADERS } from '../../src/proxy/headers.js';
import { answered, connectProxy, errorOf, type MakeOptions, proxied } from '../support/proxied.js';
import { START_SECONDS, token } from '../support/rig.js';
import { until } from '../support/until.js';

const asked =
  (client: object = {}, rest: object = {}): MakeOptions =>
  (url) => ({ client: { ...connectProxy(url), ...client }, ...rest });
const connect = { id: 1, connect: {} };

describe('the application says who it is', () => {
  test('and everything else about the connection', async () => {
    const { application, rig } = await proxied(asked());
    application.answer = () => ({
      result: { user: 'ann', expire_at: START_SECONDS + 90, info: { name: 'Ann' }, data: { hello: 1 } },
    });
    const connection = rig.open();
    expect(await answered(connection, { id: 1, connect: { name: 'js', version: '2', data: { d: 1 } } })).toEqual([
      {
        id: 1,
        connect: {
          client: connection.client.id,
          version: '1.2.3',
          expires: true,
          ttl: 90,
          data: { hello: 1 },
          ping: 25,
          pong: true,
        },
      },
    ]);
    expect(application.questions[0]).toMatchObject({
      path: '/connect',
      body: { client: connection.client.id, transport: 'websocket', name: 'js', version: '2', data: { d: 1 } },
    });
    expect([connection.client.user, String(connection.client.connInfo)]).toEqual(['ann', '{"name":"Ann"}']);
    expect(rig.registry.find({ user: 'ann', client: '', session: '' })).toEqual([connection.client]);
  });

  test('but is not asked about a client that shows a token', async () => {
    const { application, rig } = await proxied(asked());
    expect(await answered(rig.open(), { id: 1, connect: { token: token({ sub: 'ann' }) } })).toMatchObject([
      { connect: {} },
    ]);
    expect(application.questions).toEqual([]);
  });

  test.each([
    ['an error', { error: { code: 1000, message: 'no', temporary: true } }, 1000, undefined],
    ['a disconnect', { disconnect: { code: 4500, reason: 'bye' } }, undefined, 4500],
    ['nonsense', { text: 'x' }, 100, undefined],
    ['an expiry in the past', { result: { user: 'ann', expire_at: START_SECONDS - 1 } }, 110, undefined],
    ['a channel of an unknown namespace', { result: { user: 'ann', channels: ['x:1'] } }, 102, undefined],
    ['a subscription in an unknown namespace', { result: { user: 'ann', subs: { 'x:1': {} } } }, 102, undefined],
    ['no result', {}, undefined, 3501],
  ])('%s', async (_what, answer, error, close) => {
    const { application, rig } = await proxied(asked());
    application.answer = () => answer;
    const connection = rig.open();
    expect(errorOf(await answered(connection, connect))).toBe(error);
    expect(connection.closeCode).toBe(close);
    expect(rig.registry.clients).toBe(0);
  });

  test('no result leaves it to what lets anonymous clients in, or to the user header', async () => {
    const anonymous = await proxied(asked({ allow_anonymous_connect_without_token: true }));
    anonymous.application.answer = () => ({ result: null });
    const nobody = anonymous.rig.open();
    await answered(nobody, connect);
    expect([nobody.client.state, nobody.client.user]).toEqual(['connected', '']);
    const header = await proxied(asked({ user_id_http_header: 'X-User' }));
    header.application.answer = () => ({});
    const known = header.rig.open({ headers: { 'x-user': 'bob' } });
    await answered(known, connect);
    expect([known.client.state, known.client.user]).toEqual(['connected', 'bob']);
  });

  test('a user without id is anonymous', async () => {
    const { application, rig } = await proxied(asked());
    application.answer = () => ({ result: {} });
    const connection = rig.open();
    await answered(connection, connect);
    expect([connection.client.state, connection.client.user]).toEqual(['connected', '']);
  });
});

describe('subscriptions', () => {
  test('from channels and subs, the latter with options of their own; wishes are the application’s to grant', async () => {
    const { application, rig } = await proxied(
      asked({}, { channel: { without_namespace: { presence: true, allow_subscribe_for_client: true } } }),
    );
    application.answer = () => ({
      result: {
        user: 'ann',
        channels: ['a', 'b', ''],
        subs: { b: { info: { i: 1 }, data: { d: 1 }, override: { presence: { value: false } } } },
      },
    });
    const connection = rig.open();
    const [reply] = await answered(connection, { id: 1, connect: { subs: { wish: {} } } });
    expect(application.questions[0]!.body.channels).toEqual(['wish']);
    expect(reply.connect.subs).toEqual({ a: {}, b: { data: { d: 1 } } });
    expect(rig.channels.channel('a').presence.size).toBe(1);
    expect(rig.channels.channel('b').presence.size).toBe(0);
    const b = connection.client.subscriptions.get('b')!;
    expect([b.source, b.serverSide, String(b.chanInfo)]).toEqual([sources.connectProxy, true, '{"i":1}']);
  });

  test('cache_recover starts with the newest publication, where the channel recovers by cache', async () => {
    const cache = { history_size: 1, history_ttl: '60s', force_recovery: true, force_recovery_mode: 'cache' };
    const { application, rig } = await proxied(asked({}, { channel: { without_namespace: cache } }));
    for (const channel of ['a', 'b']) {
      rig.channels.withHistory.add(channel);
      rig.publish(channel, { n: 1 });
    }
    application.answer = () => ({ result: { user: 'ann', subs: { a: { cache_recover: true }, b: {} } } });
    const [reply] = await answered(rig.open(), connect);
    expect(reply.connect.subs.a).toMatchObject({ recovered: true, publications: [{ data: { n: 1 } }] });
    expect(reply.connect.subs.b).not.toHaveProperty('recovered');
  });

  test('the personal channel comes with them, and too many end the connection with 3505', async () => {
    const { application, rig } = await proxied(
      asked({ channel_limit: 2, subscribe_to_user_personal_channel: { enabled: true } }),
    );
    application.answer = () => ({ result: { user: 'ann', channels: ['a'] } });
    const [reply] = await answered(rig.open(), connect);
    expect(Object.keys(reply.connect.subs)).toEqual(['a', '#ann']);
    application.answer = () => ({ result: { user: 'ann', channels: ['a', 'b'] } });
    const connection = rig.open();
    await answered(connection, connect);
    expect(connection.closeCode).toBe(3505);
  });
});

describe('while the application thinks', () => {
  test('commands wait for their turn', async () => {
    const { application, rig } = await proxied(
      asked({}, { channel: { without_namespace: { allow_subscribe_for_client: true } } }),
    );
    application.hold({ result: { user: 'ann' } });
    const connection = rig.open();
    connection.say(connect, { id: 2, subscribe: { channel: 'a' } });
    connection.say({ id: 3, subscribe: { channel: 'b' } });
    await until('it is asked', () => application.waiting === 1);
    expect(connection.read()).toEqual([]);
    application.release();
    const messages: { id: number }[] = [];
    await until('all are answered', () => messages.push(...connection.read()) === 3);
    expect(messages.map(({ id }) => id)).toEqual([1, 2, 3]);
  });

  test('a client that leaves leaves nothing behind', async () => {
    const { application, rig } = await proxied(asked());
    application.hold({ result: { user: 'ann', channels: ['a'] } });
    const connection = rig.open();
    connection.say(connect);
    await until('it is asked', () => application.waiting === 1);
    connection.client.closed();
    application.release();
    const other = rig.open();
    application.answer = () => ({ result: { user: 'bob' } });
    await answered(other, connect);
    expect([rig.registry.clients, rig.channels.members('a')]).toEqual([1, []]);
    expect(rig.errors).toEqual([]);
  });

  test('1,000 connects at once take as many rounds as it has connections for them', async () => {
    const { application, rig } = await proxied(asked());
    application.hold({ result: { user: 'ann' } });
    const connections = Array.from({ length: 1000 }, () => rig.open());
    for (const connection of connections) connection.say(connect);
    let rounds = 0;
    for (let left = 1000; left > 0; rounds++) {
      const round = Math.min(left, 256);
      await until(`${round} are asked at once`, () => application.waiting === round);
      application.release();
      left -= round;
    }
    await until('all are connected', () => connections.every(({ client }) => client.state === 'connected'));
    expect(rounds).toBe(4);
    expect(application.questions).toHaveLength(1000);
    expect(application.connections).toBeLessThanOrEqual(256);
  });
});

describe('headers and meta', () => {
  const both: MakeOptions = (url) => ({
    client: connectProxy(url, { http_headers: ['Cookie'], emulated_headers: ['Authorization'] }),
    rpc: {
      proxy: { endpoint: `${url}/rpc`, timeout: '10s', http_headers: ['X-Later'], include_connection_meta: true },
      without_namespace: { proxy_enabled: true },
    },
  });
  const peer = { headers: { cookie: 'a=b', 'x-later': '1' } };

  test('go where they are asked for, and no further', async () => {
    const { application, rig } = await proxied(both);
    application.answer = ({ path }) =>
      path === '/connect' ? { result: { user: 'ann', meta: { m: 1 } } } : { result: {} };
    const connection = rig.open(peer);
    await answered(connection, { id: 1, connect: { headers: { AUTHORIZATION: 'Bearer x', 'X-Later': '2' } } });
    const [first] = application.questions;
    expect(first!.headers).toMatchObject({ cookie: 'a=b', authorization: 'Bearer x' });
    expect(first!.headers).not.toHaveProperty('x-later');
    expect(connection.client.headers).toEqual({ transport: { 'x-later': '1' }, emulated: {} });
    await answered(connection, { id: 2, rpc: { method: 'm' } });
    const second = application.questions[1]!;
    expect(second.headers['x-later']).toBe('1');
    expect(second.headers).not.toHaveProperty('cookie');
    expect(second.headers).not.toHaveProperty('authorization');
    expect(second.body.meta).toEqual({ m: 1 });
  });

  test('a token’s meta counts as well, until a token with another', async () => {
    const { application, rig } = await proxied(both);
    const connection = rig.open(peer);
    await answered(connection, { id: 1, connect: { token: token({ sub: 'ann', meta: { t: 1 } }) } });
    await answered(connection, { id: 2, rpc: { method: 'm' } });
    await answered(connection, { id: 3, refresh: { token: token({ sub: 'ann', meta: { t: 2 } }) } });
    await answered(connection, { id: 4, rpc: { method: 'm' } });
    await answered(connection, { id: 5, refresh: { token: token({ sub: 'ann' }) } });
    await answered(connection, { id: 6, rpc: { method: 'm' } });
    expect(application.questions.map(({ body }) => body.meta)).toEqual([{ t: 1 }, { t: 2 }, { t: 2 }]);
    expect(application.questions[0]!.headers['x-later']).toBe('1');
  });

  test('nothing is kept where nobody needs it', async () => {
    const { application, rig } = await proxied(asked());
    application.answer = () => ({ result: { user: 'ann', meta: { m: 1 } } });
    const connection = rig.open(peer);
    await answered(connection, { id: 1, connect: { headers: { a: 'b' } } });
    expect(connection.client.headers).toBe(NO_HEADERS);
    expect([connection.client.meta, connection.client.peer]).toEqual([undefined, null]);
  });
});
