import { describe, expect, test } from 'vitest';
import { type Message, Rig, START_SECONDS, token } from '../support/rig.js';

const open = { allow_subscribe_for_client: true };
const history = { history_size: 10, history_ttl: '1m' };
const recovering = { ...open, ...history, force_recovery: true };

const inDefault = (without_namespace: object, client: object = {}) =>
  new Rig({ client, channel: { without_namespace } });

const code = (messages: Message[]): number | undefined => messages[0]?.error?.code;

describe('what is refused', () => {
  const options = {
    client: { channel_limit: 2 },
    channel: {
      max_length: 20,
      without_namespace: { allow_user_limited_channels: true, ...open },
      namespaces: [
        { name: 'closed' },
        { name: 'digits', channel_regex: '^[0-9]+$', ...open },
        { name: 'map', subscription_type: 'map', map: { mode: 'ephemeral', key_ttl: '1m' }, ...open },
        { name: 'poll', subscription_type: 'shared_poll', ...open },
        { name: 'asked', subscribe_proxy_enabled: true },
      ],
    },
  };

  test.each([
    ['a long name', { channel: 'x'.repeat(21) }, 107],
    ['a name that is long in bytes', { channel: '€'.repeat(7) }, 107],
    ['an unknown namespace', { channel: 'no:a' }, 102],
    ['a name beyond ASCII', { channel: 'é' }, 107],
    ['a name that breaks the regex', { channel: 'digits:a' }, 107],
    ['no permission', { channel: 'closed:a' }, 103],
    ['a private channel without a token', { channel: '$a' }, 103],
    ['a channel of other users', { channel: '#bob,cid' }, 103],
    ['a map as a stream', { channel: 'map:a' }, 103],
    ['a stream as a map', { channel: 'a', type: 1 }, 103],
    ['a map', { channel: 'map:a', type: 1 }, 108],
    ['a shared poll as a stream', { channel: 'poll:a' }, 107],
    ['a stream as a shared poll', { channel: 'a', type: 4 }, 108],
    ['a shared poll', { channel: 'poll:a', type: 4 }, 108],
    ['a channel that a proxy decides about', { channel: 'asked:a' }, 108],
    ['a filter where none is allowed', { channel: 'a', tf: { key: 'k', cmp: 'eq', val: 'v' } }, 107],
    ['an expired token', { channel: 'a', token: token({ sub: 'ann', channel: 'a', exp: START_SECONDS - 1 }) }, 109],
    ['a token that is none', { channel: 'a', token: 'x' }, 103],
    ['a token past its own expiry', { channel: 'a', token: token({ sub: 'ann', channel: 'a', expire_at: 1 }) }, 110],
  ])('%s', async (_what, subscribe, expected) => {
    const rig = new Rig(options);
    const connection = await rig.connect();
    expect(code(await connection.ask({ id: 2, subscribe }))).toBe(expected);
    expect(connection.closeCode).toBeUndefined();
    expect(connection.client.subscriptions.size).toBe(0);
    expect([...rig.channels.localChannels()]).toEqual([]);
  });

  test.each([
    ['no channel', {}, 3501],
    ['an unknown delta', { channel: 'a', delta: 'vcdiff' }, 3501],
    ['a token of another user', { channel: 'a', token: token({ sub: 'bob', channel: 'a' }) }, 3500],
    ['a token for another channel', { channel: 'a', token: token({ sub: 'ann', channel: 'b' }) }, 3500],
    ['a token for another client', { channel: 'a', token: token({ sub: 'ann', channel: 'a', client: 'x' }) }, 3500],
  ])('%s ends the connection', async (_what, subscribe, expected) => {
    const rig = new Rig(options);
    const connection = await rig.connect();
    expect(await connection.ask({ id: 2, subscribe })).toEqual([]);
    expect(connection.closeCode).toBe(expected);
    expect(connection.client.subscriptions.size).toBe(0);
  });

  test('a second subscribe is 105, also while the first is at work; one too many is 106', async () => {
    const rig = new Rig({ ...options, client: { channel_limit: 2, concurrency: 8 } });
    const connection = await rig.connect();
    rig.channels.holding = true;
    connection.say({ id: 2, subscribe: { channel: 'a' } }, { id: 3, subscribe: { channel: 'a' } });
    connection.say({ id: 4, subscribe: { channel: 'b' } }, { id: 5, subscribe: { channel: 'c' } });
    expect(connection.read().map(({ id, error }) => [id, error.code])).toEqual([
      [3, 105],
      [5, 106],
    ]);
    rig.channels.release();
    expect(connection.read().map(({ id }) => id)).toEqual([2, 4]);
    expect(code(await connection.ask({ id: 6, subscribe: { channel: 'a' } }))).toBe(105);
  });

  test('a broker that fails for one channel leaves the others of the connection alone', async () => {
    const rig = inDefault(open);
    const connection = await rig.connect();
    rig.channels.failNext = { code: 111, message: 'too many requests', temporary: true };
    expect(code(await connection.ask({ id: 2, subscribe: { channel: 'a' } }))).toBe(111);
    expect(await connection.ask({ id: 3, subscribe: { channel: 'a' } })).toEqual([{ id: 3, subscribe: {} }]);
    rig.channels.failNext = { code: 100, message: 'internal server error', temporary: true };
    expect(code(await connection.ask({ id: 4, subscribe: { channel: 'b' } }))).toBe(100);
    expect(connection.closeCode).toBeUndefined();
  });
});

describe('tokens', () => {
  test('give access, info, data and an expiry', async () => {
    const rig = inDefault({ presence: true });
    const connection = await rig.connect();
    const claims = { sub: 'ann', channel: '$a', exp: START_SECONDS + 60, info: { seat: 1 }, data: [1] };
    expect(await connection.ask({ id: 2, subscribe: { channel: '$a', token: token(claims) } })).toEqual([
      { id: 2, subscribe: { expires: true, ttl: 60, data: [1] } },
    ]);
    const shown = rig.channels.channel('$a').presence.get(connection.client.id);
    expect(String(shown?.chanInfo)).toBe('{"seat":1}');
  });

  test('that take time are waited for, and a connection that ends meanwhile leaves nothing', async () => {
    const rig = inDefault({});
    const connection = await rig.connect();
    const verify = rig.commands.access.subscribeTokens.verifySubscribe.bind(rig.commands.access.subscribeTokens);
    let arrive = (): void => {};
    const key = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    rig.commands.access.subscribeTokens.verifySubscribe = (text) => key.then(() => verify(text));
    const subscribe = { channel: '$a', token: token({ sub: 'ann', channel: '$a' }) };
    const other = await rig.connect();
    connection.say({ id: 2, subscribe }, { id: 3, unsubscribe: { channel: '$a' } });
    other.say({ id: 2, subscribe });
    expect(await connection.ask({ id: 4, rpc: {} })).toEqual([]);
    other.client.closed();
    arrive();
    await rig.settle();
    expect(connection.read().map(({ id }) => id)).toEqual([2, 3, 4]);
    expect(rig.channels.members('$a')).toEqual([]);
    expect(rig.channels.calls).toHaveLength(1);
  });
});

describe('recovery', () => {
  const setUp = async (options: object) => {
    const rig = inDefault(options);
    rig.channels.withHistory.add('a');
    for (const value of [1, 2, 3]) rig.publish('a', value);
    return { rig, connection: await rig.connect() };
  };

  test('gives what was missed, and the offset that was asked for', async () => {
    const { connection } = await setUp(recovering);
    const subscribe = { channel: 'a', recover: true, offset: 1, epoch: 'fake' };
    expect(await connection.ask({ id: 2, subscribe })).toEqual([
      {
        id: 2,
        subscribe: {
          recoverable: true,
          positioned: true,
          epoch: 'fake',
          offset: 1,
          recovered: true,
          was_recovering: true,
          publications: [
            { offset: 2, data: 2 },
            { offset: 3, data: 3 },
          ],
        },
      },
    ]);
  });

  test('that is not possible gives the top of the stream, or 112 if that is asked for', async () => {
    const { connection } = await setUp(recovering);
    const subscribe = { channel: 'a', recover: true, offset: 1, epoch: 'other' };
    expect(code(await connection.ask({ id: 2, subscribe: { ...subscribe, flag: 2 } }))).toBe(112);
    expect(await connection.ask({ id: 3, subscribe: { ...subscribe, flag: 1 } })).toEqual([
      { id: 3, subscribe: { recoverable: true, positioned: true, epoch: 'fake', offset: 3, was_recovering: true } },
    ]);
  });

  test('is not made where it is not granted, but echoed', async () => {
    const { rig, connection } = await setUp({ ...open, ...history });
    const subscribe = { channel: 'a', recover: true, offset: 1, epoch: 'fake', recoverable: true, positioned: true };
    expect(await connection.ask({ id: 2, subscribe })).toEqual([{ id: 2, subscribe: { was_recovering: true } }]);
    expect(rig.channels.calls[0]).toMatchObject({ positioned: false, recover: undefined });
  });

  test('positions only, if only that is allowed', async () => {
    const { connection } = await setUp({ ...open, ...history, allow_positioning: true });
    expect(await connection.ask({ id: 2, subscribe: { channel: 'a', positioned: true } })).toEqual([
      { id: 2, subscribe: { positioned: true, epoch: 'fake', offset: 3 } },
    ]);
  });

  test('from the cache comes unasked where it is automatic', async () => {
    const cache = { ...recovering, force_recovery_mode: 'cache', auto_cache_recover: true };
    const { rig, connection } = await setUp(cache);
    const [{ subscribe }] = await connection.ask({ id: 2, subscribe: { channel: 'a', flag: 2 } });
    expect(subscribe).toMatchObject({ recovered: true, was_recovering: true, publications: [{ offset: 3, data: 3 }] });
    expect(rig.channels.calls[0]).toMatchObject({ recover: { mode: 'cache' }, rejectUnrecovered: false });
  });
});

describe('wishes', () => {
  test('delta is granted where it is allowed, and ignored elsewhere', async () => {
    const rig = inDefault({ ...open, allowed_delta_types: ['fossil'] });
    const connection = await rig.connect();
    expect(await connection.ask({ id: 2, subscribe: { channel: 'a', delta: 'fossil' } })).toEqual([
      { id: 2, subscribe: { delta: true } },
    ]);
    const other = await inDefault(open).connect();
    expect(await other.ask({ id: 2, subscribe: { channel: 'a', delta: 'fossil' } })).toEqual([
      { id: 2, subscribe: {} },
    ]);
  });

  test('a filter is compiled, and 107 if it is malformed', async () => {
    const rig = inDefault({ ...open, allow_tags_filter: true });
    const connection = await rig.connect();
    const tf = { key: 'k', cmp: 'eq', val: 'v' };
    expect(code(await connection.ask({ id: 2, subscribe: { channel: 'a', tf: { ...tf, cmp: 'is' } } }))).toBe(107);
    expect(await connection.ask({ id: 3, subscribe: { channel: 'a', tf } })).toEqual([{ id: 3, subscribe: {} }]);
    rig.publish('a', 1, { k: 'v' });
    rig.publish('a', 2, { k: 'w' });
    expect(connection.read().map(({ push }) => push.pub.data)).toEqual([1]);
  });

  test('join and leave are announced to those who may see them', async () => {
    const rig = inDefault({ ...open, join_leave: true, presence: true, allow_presence_for_subscriber: true });
    const watcher = await rig.connect('ann');
    await watcher.ask({ id: 2, subscribe: { channel: 'a', join_leave: true } });
    const other = await rig.connect('bob');
    await other.ask({ id: 2, subscribe: { channel: 'a' } });
    const info = { user: 'bob', client: other.client.id };
    expect(watcher.read()).toEqual([{ push: { channel: 'a', join: { info } } }]);
    other.client.closed();
    expect(watcher.read()).toEqual([{ push: { channel: 'a', leave: { info } } }]);
    expect(other.read()).toEqual([]);
  });
});

describe('unsubscribe', () => {
  test('succeeds, also for what is not subscribed', async () => {
    const rig = inDefault(open);
    const connection = await rig.connect();
    await connection.ask({ id: 2, subscribe: { channel: 'a' } });
    expect(await connection.ask({ id: 3, unsubscribe: { channel: 'a' } })).toEqual([{ id: 3, unsubscribe: {} }]);
    expect(rig.channels.members('a')).toEqual([]);
    expect(await connection.ask({ id: 4, unsubscribe: { channel: 'a' } })).toEqual([{ id: 4, unsubscribe: {} }]);
    await connection.ask({ id: 5, unsubscribe: {} });
    expect(connection.closeCode).toBe(3501);
  });

  test('waits for a subscribe that is still at work, and follows its reply', async () => {
    const rig = inDefault(open, { concurrency: 8 });
    const connection = await rig.connect();
    rig.channels.holding = true;
    connection.say({ id: 2, subscribe: { channel: 'a' } });
    connection.say({ id: 3, unsubscribe: { channel: 'a' } });
    connection.say({ id: 4, subscribe: { channel: 'a' } });
    expect(connection.read()).toEqual([]);
    rig.channels.release();
    expect(connection.read()).toEqual([
      { id: 2, subscribe: {} },
      { id: 3, unsubscribe: {} },
      { id: 4, subscribe: {} },
    ]);
    expect(rig.channels.members('a')).toHaveLength(1);
  });

  test('also when that fails', async () => {
    const rig = inDefault(open, { concurrency: 8 });
    const connection = await rig.connect();
    rig.channels.holding = true;
    connection.say({ id: 2, subscribe: { channel: 'a' } });
    connection.say({ id: 3, unsubscribe: { channel: 'a' } });
    rig.channels.failNext = { code: 111, message: 'too many requests', temporary: true };
    rig.channels.release();
    expect(connection.read().map(({ id }) => id)).toEqual([2, 3]);
  });
});
