import { describe, expect, test } from 'vitest';
import { type Message, Rig, START_SECONDS, token } from '../support/rig.js';

const code = (messages: Message[]): number | undefined => messages[0]?.error?.code;

describe.each(['json', 'protobuf'] as const)('in %s', (protocol) => {
  test.each([
    ['a bare ping', { ping: {} }, 3501],
    ['nothing', {}, 3501],
    ['send', { send: { data: Buffer.from('{}') } }, 3508],
  ])('%s ends the connection', async (_what, request, expected) => {
    const connection = await new Rig().connect('ann', {}, { protocol });
    await connection.ask({ id: 2, ...request });
    expect(connection.closeCode).toBe(expected);
  });

  test('send needs no id', async () => {
    const connection = await new Rig().connect('ann', {}, { protocol });
    await connection.ask({ send: { data: Buffer.from('{}') } });
    expect(connection.closeCode).toBe(3508);
  });

  test('a ping beside another request is not available', async () => {
    const connection = await new Rig().connect('ann', {}, { protocol });
    expect(code(await connection.ask({ id: 2, ping: {}, rpc: { method: 'x' } }))).toBe(108);
  });

  test('rpc has one method, if any', async () => {
    const none = await new Rig().connect('ann', {}, { protocol });
    expect(code(await none.ask({ id: 2, rpc: { method: 'ping' } }))).toBe(108);
    const some = await new Rig({ rpc: { ping: { enabled: true } } }).connect('ann', {}, { protocol });
    expect(await some.ask({ id: 2, rpc: { method: 'ping' } })).toEqual([{ id: 2, rpc: {} }]);
    expect(code(await some.ask({ id: 3, rpc: { method: 'other' } }))).toBe(104);
  });
});

test('only the first request of a command counts', async () => {
  const connection = await new Rig({ client: { insecure: true } }).connect();
  expect(await connection.ask({ id: 2, unsubscribe: { channel: 'b' }, subscribe: { channel: 'a' } })).toEqual([
    { id: 2, subscribe: {} },
  ]);
});

describe('refresh', () => {
  const exp = START_SECONDS + 60;
  const noPings = { client: { ping_interval: '-1s' } };

  test('moves the expiry, and takes over the info', async () => {
    const rig = new Rig({
      ...noPings,
      channel: { without_namespace: { presence: true, allow_subscribe_for_client: true } },
    });
    const connection = await rig.connect('ann', { exp });
    rig.advance(50_000);
    const renewed = token({ sub: 'ann', exp: exp + 60, info: { name: 'Ann' } });
    expect(await connection.ask({ id: 2, refresh: { token: renewed } })).toEqual([
      { id: 2, refresh: { expires: true, ttl: 70 } },
    ]);
    await connection.ask({ id: 3, subscribe: { channel: 'a' } });
    expect(String(rig.channels.channel('a').presence.get(connection.client.id)?.connInfo)).toBe('{"name":"Ann"}');
    rig.advance(90_000);
    expect(connection.closeCode).toBeUndefined();
    rig.advance(5_100);
    expect(connection.closeCode).toBe(3005);
  });

  test('with a token that does not expire ends the expiry', async () => {
    const rig = new Rig(noPings);
    const connection = await rig.connect('ann', { exp });
    expect(await connection.ask({ id: 2, refresh: { token: token({ sub: 'ann' }) } })).toEqual([
      { id: 2, refresh: {} },
    ]);
    rig.advance(1_000_000);
    expect(connection.closeCode).toBeUndefined();
  });

  test('with an expiry of its own in the past is 110', async () => {
    const connection = await new Rig().connect('ann', { exp });
    const renewed = token({ sub: 'ann', expire_at: START_SECONDS });
    expect(code(await connection.ask({ id: 2, refresh: { token: renewed } }))).toBe(110);
  });

  test.each([
    ['no token', '', 3501],
    ['a token of another user', token({ sub: 'bob' }), 3500],
    ['an invalid token', token({ sub: 'ann' }, 'other secret'), 3500],
    ['an expired token', token({ sub: 'ann', exp: START_SECONDS - 1 }), 3005],
    ['other channels', token({ sub: 'ann', channels: ['a', 'b'] }), 3010],
    ['fewer channels', token({ sub: 'ann' }), 3010],
  ])('%s ends the connection', async (_what, renewed, expected) => {
    const connection = await new Rig().connect('ann', { exp, channels: ['a'] });
    expect(await connection.ask({ id: 2, refresh: { token: renewed } })).toEqual([]);
    expect(connection.closeCode).toBe(expected);
  });

  test('with the same channels stays', async () => {
    const connection = await new Rig().connect('ann', { exp, channels: ['a'] });
    const renewed = token({ sub: 'ann', channels: ['a'] });
    expect(await connection.ask({ id: 2, refresh: { token: renewed } })).toEqual([{ id: 2, refresh: {} }]);
  });
});

describe('sub_refresh', () => {
  const claims = { sub: 'ann', channel: 'a', exp: START_SECONDS + 60 };
  const subscribed = async () => {
    const rig = new Rig({ client: { ping_interval: '-1s' } });
    const connection = await rig.connect('ann', { channels: ['server'] });
    await connection.ask({ id: 2, subscribe: { channel: 'a', token: token(claims) } });
    return { rig, connection };
  };

  test('moves the expiry', async () => {
    const { rig, connection } = await subscribed();
    rig.advance(50_000);
    const renewed = token({ ...claims, exp: claims.exp + 60, info: [1] });
    expect(await connection.ask({ id: 3, sub_refresh: { channel: 'a', token: renewed } })).toEqual([
      { id: 3, sub_refresh: { expires: true, ttl: 70 } },
    ]);
    expect(String(connection.client.info('a').chanInfo)).toBe('[1]');
    rig.advance(90_000);
    expect(connection.read()).toEqual([]);
    rig.advance(5_200);
    expect(connection.read()[0].push.unsubscribe.code).toBe(2501);
  });

  test('with a token that does not expire ends the expiry', async () => {
    const { rig, connection } = await subscribed();
    const renewed = token({ sub: 'ann', channel: 'a' });
    expect(await connection.ask({ id: 3, sub_refresh: { channel: 'a', token: renewed } })).toEqual([
      { id: 3, sub_refresh: {} },
    ]);
    rig.advance(1_000_000);
    expect(connection.client.isSubscribed('a')).toBe(true);
  });

  test.each([
    ['not subscribed', { channel: 'b', token: 'x' }, 103],
    ['no token', { channel: 'a' }, 107],
    ['an expired token', { channel: 'a', token: token({ ...claims, exp: START_SECONDS - 1 }) }, 110],
    ['an expiry in the past', { channel: 'a', token: token({ ...claims, expire_at: START_SECONDS - 1 }) }, 110],
  ])('%s', async (_what, request, expected) => {
    const { connection } = await subscribed();
    expect(code(await connection.ask({ id: 3, sub_refresh: request }))).toBe(expected);
  });

  test.each([
    ['no channel', { token: 'x' }, 3501],
    ['a subscription of the server’s', { channel: 'server', token: 'x' }, 3501],
    ['an invalid token', { channel: 'a', token: 'x' }, 3500],
    ['a token of another user', { channel: 'a', token: token({ ...claims, sub: 'bob' }) }, 3500],
    ['a token for another channel', { channel: 'a', token: token({ ...claims, channel: 'b' }) }, 3500],
    ['a token for another client', { channel: 'a', token: token({ ...claims, client: 'x' }) }, 3500],
  ])('%s ends the connection', async (_what, request, expected) => {
    const { connection } = await subscribed();
    expect(await connection.ask({ id: 3, sub_refresh: request })).toEqual([]);
    expect(connection.closeCode).toBe(expected);
  });
});
