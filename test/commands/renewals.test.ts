import { describe, expect, test } from 'vitest';
import { answered, channelProxy, type MakeOptions, proxied } from '../support/proxied.js';
import { type Connection, type Rig, START_SECONDS, token } from '../support/rig.js';
import { until } from '../support/until.js';

/** Move the time to `seconds` after the start. */
const at = (rig: Rig, seconds: number): void => rig.advance((START_SECONDS + seconds) * 1000 - rig.clock.now() + 200);

describe('refresh: a connection that expires', () => {
  const refreshed: MakeOptions = (url) => ({
    client: {
      ping_interval: '-1s',
      proxy: { refresh: { enabled: true, endpoint: `${url}/refresh`, timeout: '10s', include_connection_meta: true } },
    },
  });
  const exp = START_SECONDS + 60;
  const expiring = async () => {
    const { application, rig } = await proxied(refreshed);
    const connection = rig.open();
    const [reply] = await answered(connection, {
      id: 1,
      connect: { token: token({ sub: 'ann', exp, meta: { m: 1 } }) },
    });
    return { application, rig, connection, reply };
  };

  test('is not told so, and may not refresh', async () => {
    const { rig, connection, reply } = await expiring();
    expect(reply.connect).not.toHaveProperty('expires');
    expect(reply.connect).not.toHaveProperty('ttl');
    await answered(connection, { id: 2, refresh: { token: token({ sub: 'ann' }) } });
    expect(connection.closeCode).toBe(3501);
    expect(rig.errors).toEqual([]);
  });

  test('stays as long as the application says, again and again', async () => {
    const { application, rig, connection } = await expiring();
    at(rig, 59);
    expect(application.questions).toEqual([]);
    const result = { expire_at: START_SECONDS + 120, info: { name: 'Ann' }, meta: { m: 2 } };
    application.answer = () => ({ result });
    at(rig, 60);
    await until('it is renewed', () => connection.client.expireAt === START_SECONDS + 120);
    expect(application.questions[0]).toMatchObject({
      path: '/refresh',
      body: { client: connection.client.id, user: 'ann', meta: { m: 1 } },
    });
    expect(String(connection.client.connInfo)).toBe('{"name":"Ann"}');
    at(rig, 119);
    expect(application.questions).toHaveLength(1);
    application.answer = () => ({ result: { expire_at: START_SECONDS + 180 } });
    at(rig, 120);
    await until('it is renewed again', () => connection.client.expireAt === START_SECONDS + 180);
    expect(application.questions[1]!.body.meta).toEqual({ m: 2 });
    expect(String(connection.client.connInfo)).toBe('{"name":"Ann"}');
  });

  test.each([
    ['expired', { result: { expired: true } }],
    ['no result', {}],
    ['an error, which does not count', { error: { code: 1000, message: 'x' } }],
    ['a disconnect, which does not count', { disconnect: { code: 4500, reason: 'x' } }],
    ['an expiry in the past', { result: { expire_at: START_SECONDS } }],
    ['no expiry', { result: {} }],
  ])('ends with 3005: %s', async (_what, answer) => {
    const { application, rig, connection } = await expiring();
    application.answer = () => answer;
    at(rig, 60);
    await until('it ends', () => connection.closeCode === 3005);
  });

  test.each([
    ['an HTTP error', { status: 500, text: '' }],
    ['nonsense', { text: 'x' }],
  ])('stays for a minute after %s, then the application is asked again', async (_what, answer) => {
    const { application, rig, connection } = await expiring();
    application.answer = () => answer;
    at(rig, 60);
    await until('it is put off', () => connection.client.expireAt === START_SECONDS + 120);
    at(rig, 119);
    expect(application.questions).toHaveLength(1);
    at(rig, 120);
    await application.asked(2);
    await until('it is put off again', () => connection.client.expireAt === START_SECONDS + 180);
    expect(connection.closeCode).toBeUndefined();
  });

  test('may be gone when the answer comes', async () => {
    const { application, rig, connection } = await expiring();
    application.hold({ result: { expired: true } });
    at(rig, 60);
    await until('it is asked', () => application.waiting === 1);
    connection.client.closed();
    application.release();
    await until('it is answered', () => application.inFlight === 0);
    await rig.settle();
    expect([connection.closeCode, rig.errors]).toEqual([undefined, []]);
  });
});

describe('sub_refresh: a subscription that expires', () => {
  const options = { allow_subscribe_for_client: true, presence: true };
  const delay = 25;
  const expiring = async () => {
    const { application, rig } = await proxied(channelProxy('sub_refresh', options));
    const connection = await rig.connect('ann');
    const claims = { sub: 'ann', channel: 'a', exp: START_SECONDS + 60 };
    const [reply] = await answered(connection, { id: 2, subscribe: { channel: 'a', token: token(claims) } });
    return { application, rig, connection, reply };
  };
  const expiry = (connection: Connection): number | undefined => connection.client.subscriptions.get('a')?.expireAt;

  test('is not told so, and may not refresh', async () => {
    const { connection, reply } = await expiring();
    expect(reply.subscribe).toEqual({});
    await answered(connection, { id: 3, sub_refresh: { channel: 'a', token: token({ sub: 'ann', channel: 'a' }) } });
    expect(connection.closeCode).toBe(3501);
  });

  test('stays as long as the application says; 0 is for ever', async () => {
    const { application, rig, connection } = await expiring();
    application.answer = () => ({ result: { expire_at: START_SECONDS + 200, info: { i: 1 } } });
    at(rig, 60 + delay);
    await until('it is renewed', () => expiry(connection) === START_SECONDS + 200);
    expect(application.questions[0]).toMatchObject({
      path: '/sub_refresh',
      body: { client: connection.client.id, user: 'ann', channel: 'a' },
    });
    expect(String(connection.client.info('a').chanInfo)).toBe('{"i":1}');
    application.answer = () => ({ result: {} });
    at(rig, 200 + delay);
    await until('it is renewed for good', () => expiry(connection) === 0);
    at(rig, 1_000_000);
    expect(connection.client.isSubscribed('a')).toBe(true);
    expect(application.questions).toHaveLength(2);
  });

  test.each([
    ['expired', { result: { expired: true } }],
    ['no result', {}],
    ['an error, which does not count', { error: { code: 1000, message: 'x' } }],
    ['an expiry in the past', { result: { expire_at: START_SECONDS } }],
  ])('ends with 2501: %s', async (_what, answer) => {
    const { application, rig, connection } = await expiring();
    application.answer = () => answer;
    at(rig, 60 + delay);
    await until('it ends', () => !connection.client.isSubscribed('a'));
    expect(connection.read()).toMatchObject([{ push: { channel: 'a', unsubscribe: { code: 2501 } } }]);
  });

  test('stays for a minute when there is no answer', async () => {
    const { application, rig, connection } = await expiring();
    application.answer = () => ({ status: 502, text: '' });
    at(rig, 60 + delay);
    await until('it is put off', () => expiry(connection) === START_SECONDS + 60 + delay + 60);
    expect(connection.client.isSubscribed('a')).toBe(true);
  });

  test('is asked about once at a time, and may be gone when the answer comes', async () => {
    const { application, rig, connection } = await expiring();
    const other = { sub: 'ann', channel: 'b', exp: START_SECONDS + 61 };
    await answered(connection, { id: 3, subscribe: { channel: 'b', token: token(other) } });
    application.hold({ result: { expired: true } });
    at(rig, 60 + delay);
    at(rig, 61 + delay);
    await until('both are asked about', () => application.waiting === 2);
    expect(application.questions.map(({ body }) => body.channel).sort()).toEqual(['a', 'b']);
    await answered(connection, { id: 4, unsubscribe: { channel: 'a' } });
    application.release();
    await until('the other ends', () => !connection.client.isSubscribed('b'));
    await rig.settle();
    expect(connection.read().map(({ push }) => push.channel)).toEqual(['b']);
  });

  test('one that the server made ends the connection with 3006', async () => {
    const { application, rig } = await proxied(channelProxy('sub_refresh', options));
    const connection = await rig.connect('ann');
    await rig.control.subscribe({
      ...{ user: 'ann', client: '', session: '', channel: 'a', info: '', data: '', expireAt: START_SECONDS + 60 },
      ...{
        presence: false,
        joinLeave: false,
        forcePushJoinLeave: false,
        forceRecovery: false,
        forcePositioning: false,
      },
    });
    application.answer = () => ({ result: { expired: true } });
    at(rig, 60 + delay);
    await until('it ends', () => connection.closeCode === 3006);
  });
});
