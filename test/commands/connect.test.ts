import { describe, expect, test } from 'vitest';
import { Rig, START_SECONDS, token } from '../support/rig.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const connectWith = (rig: Rig, claims: object, request: object = {}, peer = {}) => {
  const connection = rig.open(peer);
  return connection.ask({ id: 1, connect: { token: token(claims), ...request } }).then((messages) => ({
    connection,
    messages,
    result: messages[0]?.connect,
    error: messages[0]?.error?.code,
  }));
};

describe('the result', () => {
  test('names client, version and pings', async () => {
    const rig = new Rig();
    const { connection, messages } = await connectWith(rig, { sub: 'ann' });
    expect(messages).toEqual([
      { id: 1, connect: { client: connection.client.id, version: '1.2.3', ping: 25, pong: true } },
    ]);
    expect(connection.client.id).toMatch(UUID);
  });

  test('has no ping and pong with frame pings, nor when they are off', async () => {
    const framed = await connectWith(new Rig(), { sub: 'ann' }, {}, { framePingPong: true });
    expect(framed.result).toEqual({ client: framed.connection.client.id, version: '1.2.3' });
    const off = await connectWith(new Rig({ client: { ping_interval: '-1s' } }), { sub: 'ann' });
    expect(off.result).toEqual({ client: off.connection.client.id, version: '1.2.3' });
    const unanswered = await connectWith(new Rig({ client: { pong_timeout: '-1s' } }), { sub: 'ann' });
    expect(unanswered.result).toEqual({ client: unanswered.connection.client.id, version: '1.2.3', ping: 25 });
  });

  test('tells when the token expires, at most a year ahead', async () => {
    const soon = await connectWith(new Rig(), { sub: 'ann', exp: START_SECONDS + 90 });
    expect(soon.result).toMatchObject({ expires: true, ttl: 90 });
    const late = await connectWith(new Rig(), { sub: 'ann', exp: START_SECONDS + 400 * 86400 });
    expect(late.result).toMatchObject({ expires: true, ttl: 365 * 86400 });
    const never = await connectWith(new Rig(), { sub: 'ann', exp: START_SECONDS + 90, expire_at: 0 });
    expect(never.result).not.toHaveProperty('expires');
    const insecure = await connectWith(new Rig({ client: { insecure: true } }), {
      sub: 'ann',
      exp: START_SECONDS + 90,
    });
    expect(insecure.result).not.toHaveProperty('expires');
  });

  test('has the server’s time if asked for', async () => {
    const { result } = await connectWith(new Rig({ client: { connect_include_server_time: true } }), { sub: 'ann' });
    expect(result.time).toBe(START_SECONDS * 1000);
  });
});

describe('who is let in', () => {
  test.each([
    ['expired', { sub: 'ann', exp: START_SECONDS }, 109],
    ['not valid yet', { sub: 'ann', nbf: START_SECONDS + 10 }, 109],
    ['with an expiry of its own in the past', { sub: 'ann', expire_at: START_SECONDS - 1 }, 110],
  ])('a token %s is an error reply', async (_what, claims, code) => {
    const { error, connection } = await connectWith(new Rig(), claims);
    expect(error).toBe(code);
    expect(connection.closeCode).toBeUndefined();
  });

  test('an invalid token is 3500', async () => {
    const rig = new Rig();
    const connection = rig.open();
    expect(await connection.ask({ id: 1, connect: { token: token({ sub: 'ann' }, 'other secret') } })).toEqual([]);
    expect(connection.socket.closed).toEqual({ code: 3500, reason: 'invalid token' });
  });

  test('no credentials of any kind are 3501', async () => {
    const connection = new Rig().open();
    await connection.ask({ id: 1, connect: {} });
    expect(connection.closeCode).toBe(3501);
  });

  test('anonymous ones if configured', async () => {
    for (const option of ['allow_anonymous_connect_without_token', 'insecure']) {
      const rig = new Rig({ client: { [option]: true } });
      const connection = rig.open();
      expect((await connection.ask({ id: 1, connect: {} }))[0]).toHaveProperty('connect');
      expect(connection.client.user).toBe('');
    }
  });

  test('anonymous tokens unless configured', async () => {
    expect((await connectWith(new Rig(), { sub: '' })).result).toBeDefined();
    const { connection } = await connectWith(new Rig({ client: { disallow_anonymous_connection_tokens: true } }), {});
    expect(connection.closeCode).toBe(3507);
  });

  test('users that a header names, and nothing of the request is kept', async () => {
    const rig = new Rig({ client: { user_id_http_header: 'X-User-Id' } });
    const connection = rig.open({ headers: { 'x-user-id': 'ann' } });
    expect((await connection.ask({ id: 1, connect: {} }))[0]).toHaveProperty('connect');
    expect(connection.client.user).toBe('ann');
    expect(connection.client.peer).toBeNull();
    const nameless = rig.open({ headers: {} });
    await nameless.ask({ id: 1, connect: {} });
    expect(nameless.closeCode).toBe(3501);
  });

  test('the metadata of a call names nobody: a client writes there what it likes', async () => {
    const rig = new Rig({ client: { user_id_http_header: 'X-User-Id' } });
    const headers = { 'x-user-id': 'ann' };
    const connection = await rig.hear('uni_grpc', { token: '' }, { protocol: 'protobuf', headers });
    expect(connection.closeCode).toBe(3501);
  });
});

describe('order', () => {
  test.each([
    { id: 1, subscribe: { channel: 'a' } },
    { id: 1, ping: {} },
    { id: 1, send: {} },
    {},
  ])('%j before the connect is 3501', async (command) => {
    const connection = new Rig().open();
    await connection.ask(command);
    expect(connection.closeCode).toBe(3501);
  });

  test('a second connect is 3501', async () => {
    const { connection } = await connectWith(new Rig(), { sub: 'ann' });
    await connection.ask({ id: 2, connect: { token: token({ sub: 'ann' }) } });
    expect(connection.closeCode).toBe(3501);
  });

  test('anything after a refused connect is 3501', async () => {
    const rig = new Rig();
    const { connection } = await connectWith(rig, { sub: 'ann', exp: START_SECONDS - 1 });
    await connection.ask({ id: 2, connect: { token: token({ sub: 'ann' }) } });
    expect(connection.closeCode).toBe(3501);
    expect(rig.registry.clients).toBe(0);
  });

  test('a connect without id is taken for a pong', async () => {
    const connection = new Rig().open();
    await connection.ask({ connect: { token: token({ sub: 'ann' }) } });
    expect(connection.closeCode).toBe(3501);
  });

  test('commands in the frame of the connect wait for it', async () => {
    const rig = new Rig({ client: { insecure: true, concurrency: 4 } });
    rig.channels.holding = true;
    const connection = rig.open();
    connection.say({ id: 1, connect: { token: token({ sub: 'ann', channels: ['a'] }) } }, { id: 2, rpc: {} });
    expect(connection.read()).toEqual([]);
    rig.channels.release();
    expect(connection.read().map(({ id }) => id)).toEqual([1, 2]);
  });
});

describe('server-side subscriptions', () => {
  const history = { history_size: 10, history_ttl: '1m' };
  const recovering = { channel: { without_namespace: { ...history, force_recovery: true } } };

  test('come from the token, with info and data', async () => {
    const rig = new Rig({ channel: { without_namespace: { presence: true } } });
    const subs = { a: { info: { seat: 1 }, data: { hello: 1 } }, b: {} };
    const { connection, result } = await connectWith(rig, { sub: 'ann', info: { name: 'Ann' }, subs });
    expect(result.subs).toEqual({ a: { data: { hello: 1 } }, b: {} });
    expect(rig.registry.subscriptions).toBe(2);
    const info = { user: 'ann', client: connection.client.id };
    const shown = rig.channels.channel('a').presence.get(connection.client.id)!;
    expect(shown).toMatchObject(info);
    expect([String(shown.connInfo), String(shown.chanInfo)]).toEqual(['{"name":"Ann"}', '{"seat":1}']);
    expect(await connection.ask({ id: 2, subscribe: { channel: 'a' } })).toEqual([
      { id: 2, error: { code: 105, message: 'already subscribed' } },
    ]);
  });

  test('recover by what the client tells', async () => {
    const rig = new Rig(recovering);
    rig.channels.withHistory.add('a');
    for (const value of [1, 2, 3]) rig.publish('a', value);
    const subs = { a: { recover: true, offset: 1, epoch: 'fake' } };
    const { result } = await connectWith(rig, { sub: 'ann', channels: ['a'] }, { subs });
    expect(result.subs.a).toEqual({
      positioned: true,
      recoverable: true,
      epoch: 'fake',
      offset: 1,
      recovered: true,
      was_recovering: true,
      publications: [
        { offset: 2, data: 2 },
        { offset: 3, data: 3 },
      ],
    });
  });

  test('publish after the connect reply, not before', async () => {
    const rig = new Rig(recovering);
    rig.channels.withHistory.add('a');
    const connection = rig.open();
    // The second subscription is answered late, while the first is live and has a publication.
    const subscribe = rig.channels.subscribe.bind(rig.channels);
    let late = (): void => {};
    rig.channels.subscribe = (member, call, done) => {
      if (member.channel === 'b') late = () => subscribe(member, call, done);
      else subscribe(member, call, done);
    };
    connection.say({ id: 1, connect: { token: token({ sub: 'ann', channels: ['a', 'b'] }) } });
    rig.publish('a', 'early');
    expect(connection.read()).toEqual([]);
    late();
    const [reply, pushed] = connection.read();
    expect(reply.connect.subs).toHaveProperty('b');
    expect(pushed.push.pub).toEqual({ offset: 1, data: 'early' });
  });

  test('fail together', async () => {
    const rig = new Rig();
    rig.channels.failNext = { code: 111, message: 'too many requests', temporary: true };
    const { error, connection } = await connectWith(rig, { sub: 'ann', channels: ['a', 'b'] });
    expect(error).toBe(111);
    expect([...rig.channels.localChannels()]).toEqual([]);
    expect(rig.registry.clients).toBe(0);
    expect(connection.closeCode).toBeUndefined();
    rig.channels.failNext = { code: 100, message: 'internal server error', temporary: true };
    expect((await connectWith(rig, { sub: 'ann', channels: ['a', 'b'] })).error).toBe(100);
  });

  test('of an unknown namespace are 102, of too many channels 3505', async () => {
    expect((await connectWith(new Rig(), { sub: 'ann', channels: ['no:a'] })).error).toBe(102);
    const rig = new Rig({ client: { channel_limit: 1 } });
    expect((await connectWith(rig, { sub: 'ann', channels: ['a', 'b'] })).connection.closeCode).toBe(3505);
    expect((await connectWith(rig, { sub: 'ann', channels: ['a'] })).result).toBeDefined();
  });

  test('include the personal channel', async () => {
    const personal = { enabled: true, personal_channel_namespace: 'me' };
    const options = {
      client: { subscribe_to_user_personal_channel: personal },
      channel: { namespaces: [{ name: 'me' }] },
    };
    const rig = new Rig(options);
    expect((await connectWith(rig, { sub: 'ann' })).result.subs).toEqual({ 'me:#ann': {} });
    expect((await connectWith(rig, { sub: '' })).result).not.toHaveProperty('subs');
    expect((await connectWith(new Rig({ ...options, channel: {} }), { sub: 'ann' })).error).toBe(102);
  });

  test('asked for by name are given where the client could have them, and passed over elsewhere', async () => {
    const rig = new Rig({ channel: { namespaces: [{ name: 'open', allow_subscribe_for_client: true }] } });
    const subs = { 'open:a': {}, closed: {}, '$open:a': {} };
    const { result } = await connectWith(rig, { sub: 'ann' }, { subs });
    expect(Object.keys(result.subs)).toEqual(['open:a']);
    const unknown = await connectWith(rig, { sub: 'ann' }, { subs: { 'no:a': {} } });
    expect(unknown.connection.closeCode).toBe(3501);
  });
});
