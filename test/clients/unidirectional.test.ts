import { describe, expect, test } from 'vitest';
import { BUFFERED, type UniTransport } from '../../src/clients/socket.js';
import { unidirectionalDisconnect } from '../../src/clients/unidirectional.js';
import { disconnects, errors } from '../../src/protocol/codes.js';
import { emptySubscribe } from '../../src/protocol/requests.js';
import { Rig, START_SECONDS, token } from '../support/rig.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TRANSPORTS: UniTransport[] = ['uni_websocket', 'uni_sse', 'uni_http_stream', 'uni_grpc'];
const insecure = { client: { insecure: true } };
const open = { channel: { without_namespace: { allow_subscribe_for_client: true } } };

const wish = (request: object = {}) => ({ ...emptySubscribe(), ...request });

describe('the connect push', () => {
  test.each(TRANSPORTS)('names client, version, pings and session over %s', async (transport) => {
    const { client, ...connection } = await new Rig().hear(transport);
    expect(client.session).toMatch(UUID);
    expect(Buffer.concat(connection.socket.frames).toString()).toBe(
      `{"connect":{"client":"${client.id}","version":"1.2.3","ping":25,"session":"${client.session}"}}`,
    );
  });

  test('is a bare push in Protobuf as well', async () => {
    const connection = await new Rig().hear('uni_grpc', {}, { protocol: 'protobuf' });
    const { id, session } = connection.client;
    expect(connection.read()).toEqual([{ connect: { client: id, version: '1.2.3', ping: 25, session } }]);
  });

  test('tells when the token expires; the connection then ends', async () => {
    const rig = new Rig();
    const expiring = token({ sub: 'ann', exp: START_SECONDS + 60 });
    const connection = await rig.hear('uni_sse', { token: expiring });
    expect(connection.read()).toMatchObject([{ connect: { expires: true, ttl: 60 } }]);
    rig.advance(60_000 + 24_900);
    expect(connection.closeCode).toBeUndefined();
    rig.advance(200);
    expect(connection.socket.closed).toEqual(disconnects.expired);
    expect(connection.socket.refusal).toBeUndefined();
  });
});

describe('subscriptions', () => {
  test('are those of the token and those wished for, as far as they are allowed', async () => {
    const rig = new Rig(open);
    const subs = { a: wish(), $private: wish() };
    const connection = await rig.hear('uni_sse', { token: token({ sub: 'ann', channels: ['t'] }), subs });
    expect(connection.read()).toMatchObject([{ connect: { subs: { t: {}, a: {} } } }]);
    expect(connection.client.subscriptions.all().map(({ channel }) => channel)).toEqual(['t', 'a']);
  });

  test('recover from where they were', async () => {
    const rig = new Rig({
      channel: {
        without_namespace: {
          ...open.channel.without_namespace,
          force_recovery: true,
          history_size: 9,
          history_ttl: '1m',
        },
      },
    });
    rig.channels.withHistory.add('a');
    for (const value of [1, 2, 3]) rig.publish('a', value);
    const since = wish({ recover: true, offset: 1, epoch: 'fake' });
    const connection = await rig.hear('uni_http_stream', { subs: { a: since } });
    expect(connection.read()[0].connect.subs.a).toMatchObject({
      recovered: true,
      offset: 1,
      publications: [
        { data: 2, offset: 2 },
        { data: 3, offset: 3 },
      ],
    });
  });

  test('are told of by bare pushes of every kind', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.hear('uni_sse', { subs: { a: wish() } });
    connection.read();
    const everyone = { user: '', client: '', session: '' };
    await rig.control.subscribe({
      ...everyone,
      channel: 'b',
      info: '',
      data: '',
      expireAt: 0,
      presence: false,
      joinLeave: false,
      forcePushJoinLeave: false,
      forceRecovery: false,
      forcePositioning: false,
      allUsers: true,
    });
    rig.publish('a', { n: 1 });
    await rig.control.unsubscribe({
      ...everyone,
      allUsers: true,
      channel: 'a',
      unsubscribe: { code: 2000, reason: 'x' },
    });
    await rig.control.refresh({ ...everyone, allUsers: true, expired: false, expireAt: START_SECONDS + 9, info: '' });
    expect(connection.read()).toEqual([
      { channel: 'b', subscribe: {} },
      { channel: 'a', pub: { data: { n: 1 } } },
      { channel: 'a', unsubscribe: { code: 2000, reason: 'x' } },
      { refresh: { expires: true, ttl: 9 } },
    ]);
  });

  test('can be found by the session', async () => {
    const rig = new Rig();
    const connection = await rig.hear('uni_sse');
    const { session } = connection.client;
    const target = { user: 'ann', client: '', whitelist: [], disconnect: disconnects.forceReconnect };
    await rig.control.disconnect({ ...target, session: 'another' });
    expect(connection.closeCode).toBeUndefined();
    await rig.control.disconnect({ ...target, session });
    expect(connection.closeCode).toBe(3011);
  });
});

describe('a connect that fails', () => {
  test.each([
    ['an expired token', { sub: 'ann', exp: START_SECONDS }, disconnects.expired, errors.tokenExpired],
    ['an expired connection', { sub: 'ann', expire_at: START_SECONDS - 1 }, disconnects.expired, errors.expired],
    ['an unknown channel', { sub: 'ann', channels: ['no:such'] }, disconnects.serverError, errors.unknownChannel],
  ])('with %s ends by a disconnect, and tells the transport the error', async (_what, claims, disconnect, error) => {
    const connection = await new Rig().hear('uni_sse', { token: token(claims) });
    expect(connection.socket).toMatchObject({ frames: [], closed: disconnect, refusal: error });
  });

  test('with a disconnect ends by that', async () => {
    const connection = await new Rig().hear('uni_sse', { token: token({ sub: 'ann' }, 'another key') });
    expect(connection.socket).toMatchObject({ closed: disconnects.invalidToken, refusal: disconnects.invalidToken });
  });

  test('because a subscription does, leaves nothing behind', async () => {
    const rig = new Rig(open);
    rig.channels.failNext = errors.internal;
    const connection = await rig.hear('uni_sse', { subs: { a: wish() } });
    expect(connection.socket).toMatchObject({ frames: [], closed: disconnects.serverError, refusal: errors.internal });
    expect(rig.registry.clients).toBe(0);
    expect(rig.channels.members('a')).toEqual([]);
  });

  test('takes the disconnect that is configured for the error, the last of several', () => {
    const transform = (code: number, to: number) => ({ code, to: { code: to, reason: `is ${to}` } });
    const of = (enabled: boolean) => ({
      connect_code_to_unidirectional_disconnect: {
        enabled,
        transforms: [transform(109, 4000), transform(109, 4001), transform(3500, 4002)],
      },
    });
    expect(unidirectionalDisconnect(errors.tokenExpired, of(true))).toEqual({ code: 4001, reason: 'is 4001' });
    expect(unidirectionalDisconnect(errors.tokenExpired, of(false))).toBe(disconnects.expired);
    expect(unidirectionalDisconnect(errors.tooManyRequests, of(true))).toBe(disconnects.tooManyRequests);
    expect(unidirectionalDisconnect(errors.permissionDenied, of(true))).toBe(disconnects.permissionDenied);
    expect(unidirectionalDisconnect(errors.limitExceeded, of(true))).toBe(disconnects.serverError);
    expect(unidirectionalDisconnect(disconnects.invalidToken, of(true))).toBe(disconnects.invalidToken);
  });

  test('that never comes is stale', async () => {
    const rig = new Rig();
    const connection = rig.open({ transport: 'uni_websocket' });
    rig.advance(10_000);
    expect(connection.socket.closed).toEqual(disconnects.stale);
  });
});

describe('pings', () => {
  test.each(TRANSPORTS.slice(1))('over %s are pushes that nobody answers', async (transport) => {
    const rig = new Rig();
    const connection = await rig.hear(transport);
    connection.read();
    rig.advance(12_500);
    expect(connection.read()).toEqual([{}]);
    rig.advance(25_000);
    expect(connection.read()).toEqual([{}]);
    expect(connection.socket.pings).toBe(0);
    expect(connection.closeCode).toBeUndefined();
  });

  test('over WebSocket are also frames, which are to be answered', async () => {
    const rig = new Rig();
    const connection = await rig.hear('uni_websocket');
    connection.read();
    rig.advance(12_500);
    expect(connection.read()).toEqual([{}]);
    expect(connection.socket.pings).toBe(1);
    connection.client.ponged();
    rig.advance(25_000);
    expect(connection.socket.pings).toBe(2);
    rig.advance(8_000);
    expect(connection.socket.closed).toEqual(disconnects.noPong);
  });

  test('over WebSocket are frames alone where they are off, at a pace of their own', async () => {
    const rig = new Rig({ client: { ping_interval: '-1s', pong_timeout: '-1s' } });
    const connection = await rig.hear('uni_websocket');
    expect(connection.read()[0].connect).not.toHaveProperty('ping');
    rig.advance(12_500);
    expect(connection.socket.pings).toBe(1);
    connection.client.ponged();
    rig.advance(25_000);
    expect(connection.socket.pings).toBe(2);
    expect(connection.read()).toEqual([]);
    rig.advance(10_000);
    expect(connection.socket.closed).toEqual(disconnects.noPong);
  });

  test('elsewhere can be turned off', async () => {
    const rig = new Rig({ client: { ping_interval: '-1s', pong_timeout: '-1s' } });
    const connection = await rig.hear('uni_sse');
    connection.read();
    rig.advance(600_000);
    expect(connection.socket).toMatchObject({ pings: 0, closed: undefined });
    expect(connection.read()).toEqual([]);
  });
});

describe('a slow client', () => {
  test.each([
    ['uni_websocket', 3_000],
    ['uni_sse', 2_000],
  ] as const)('over %s is given up after the write timeout', async (transport, timeoutMs) => {
    const rig = new Rig({ ...open, websocket: { write_timeout: '2s' }, uni_websocket: { write_timeout: '3s' } });
    const connection = await rig.hear(transport, { subs: { a: wish() } });
    connection.socket.answer = BUFFERED;
    rig.publish('a', 1);
    await rig.settle();
    rig.advance(timeoutMs - 100);
    expect(connection.socket.destroyed).toBe(false);
    rig.advance(200);
    expect(connection.socket.destroyed).toBe(true);
  });

  test('is ended with 3008 when too much waits', async () => {
    const rig = new Rig({ ...open, client: { queue_max_size: 1000 } });
    const connection = await rig.hear('uni_sse', { subs: { a: wish() } });
    connection.socket.answer = BUFFERED;
    for (let i = 0; i < 3; i++) {
      rig.publish('a', 'x'.repeat(600));
      await rig.settle();
    }
    expect(connection.socket.closed).toEqual(disconnects.slow);
  });
});
