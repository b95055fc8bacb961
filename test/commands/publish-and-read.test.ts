import { describe, expect, test } from 'vitest';
import { type Message, Rig, token } from '../support/rig.js';

const code = (messages: Message[]): number | undefined => messages[0]?.error?.code;

describe('publish', () => {
  const channel = {
    without_namespace: { allow_publish_for_client: true, allow_subscribe_for_client: true },
    namespaces: [
      { name: 'closed' },
      { name: 'subscribers', allow_publish_for_subscriber: true, allow_subscribe_for_client: true },
      { name: 'objects', publication_data_format: 'json_object', allow_publish_for_client: true },
      { name: 'any', publication_data_format: 'binary', allow_publish_for_client: true, delta_publish: true },
      { name: 'asked', publish_proxy_enabled: true, allow_publish_for_client: true },
    ],
  };

  test('carries who published it, and replies nothing', async () => {
    const rig = new Rig({ channel });
    const connection = await rig.connect('ann', { info: { name: 'Ann' } });
    await connection.ask({ id: 2, subscribe: { channel: 'a', token: token({ sub: 'ann', channel: 'a', info: [1] }) } });
    expect(await connection.ask({ id: 3, publish: { channel: 'a', data: { n: 1 } } })).toEqual([
      {
        push: {
          channel: 'a',
          pub: {
            data: { n: 1 },
            info: { user: 'ann', client: connection.client.id, conn_info: { name: 'Ann' }, chan_info: [1] },
          },
        },
      },
      { id: 3, publish: {} },
    ]);
    expect(rig.channels.published[0]!.call).toEqual({
      skipHistory: false,
      idempotencyKey: '',
      version: 0,
      versionEpoch: '',
      delta: false,
    });
  });

  test.each([
    ['an unknown namespace', { channel: 'no:a', data: 1 }, 102],
    ['a name beyond ASCII', { channel: 'é', data: 1 }, 107],
    ['no data', { channel: 'a' }, 107],
    ['not an object', { channel: 'objects:a', data: [1] }, 107],
    ['no permission', { channel: 'closed:a', data: 1 }, 103],
    ['not subscribed', { channel: 'subscribers:a', data: 1 }, 103],
    ['a proxy', { channel: 'asked:a', data: 1 }, 108],
    ['a map', { channel: 'a', data: 1, type: 1, key: 'k' }, 103],
    ['a map of an unknown namespace', { channel: 'no:a', data: 1, type: 1, key: 'k' }, 102],
  ])('%s', async (_what, publish, expected) => {
    const rig = new Rig({ channel });
    const connection = await rig.connect();
    expect(code(await connection.ask({ id: 2, publish }))).toBe(expected);
    expect(rig.channels.published).toEqual([]);
  });

  test('no channel ends the connection', async () => {
    const connection = await new Rig({ channel }).connect();
    await connection.ask({ id: 2, publish: { data: 1 } });
    expect(connection.closeCode).toBe(3501);
  });

  test('subscribers may where they may', async () => {
    const connection = await new Rig({ channel }).connect();
    await connection.ask({ id: 2, subscribe: { channel: 'subscribers:a' } });
    expect(await connection.ask({ id: 3, publish: { channel: 'subscribers:a', data: 1 } })).toContainEqual({
      id: 3,
      publish: {},
    });
  });

  test('anything may be empty or binary where that is allowed, and says so', async () => {
    const rig = new Rig({ channel });
    const json = await rig.connect();
    const proto = await rig.connect('bob', {}, { protocol: 'protobuf' });
    await json.ask({ id: 2, publish: { channel: 'any:a' } });
    await proto.ask({ id: 2, publish: { channel: 'any:a', data: Buffer.from([0xff]) } });
    await proto.ask({ id: 3, publish: { channel: 'any:a', data: Buffer.from('{}') } });
    expect(
      rig.channels.published.map(({ publication: { data, json }, call: { delta } }) => [data.length, json, delta]),
    ).toEqual([
      [0, true, true],
      [1, false, true],
      [2, true, true],
    ]);
  });
});

describe('history', () => {
  const stored = { history_size: 10, history_ttl: '1m' };
  const channel = {
    without_namespace: { ...stored, allow_history_for_client: true },
    namespaces: [{ name: 'closed', ...stored }, { name: 'none' }],
  };

  const setUp = async (client: object = {}) => {
    const rig = new Rig({ client, channel });
    rig.channels.withHistory.add('a');
    for (const value of [1, 2, 3]) rig.publish('a', value);
    return { rig, connection: await rig.connect() };
  };

  test('is read by position, forwards and backwards', async () => {
    const { connection } = await setUp();
    const position = { offset: 3, epoch: 'fake' };
    const read = async (request: object) => (await connection.ask({ id: 2, history: { channel: 'a', ...request } }))[0];
    expect(await read({})).toEqual({ id: 2, history: { publications: [], ...position } });
    const [one, two, three] = [1, 2, 3].map((n) => ({ offset: n, data: n }));
    expect((await read({ limit: 2 })).history).toEqual({ publications: [one, two], ...position });
    const since = { offset: 2, epoch: 'fake' };
    expect((await read({ limit: 9, since })).history.publications).toEqual([three]);
    expect((await read({ limit: 9, since, reverse: true })).history.publications).toEqual([one]);
  });

  test.each([
    ['an unknown namespace', { channel: 'no:a' }, 102],
    ['a name beyond ASCII', { channel: 'é' }, 107],
    ['a channel without history', { channel: 'none:a' }, 108],
    ['no permission', { channel: 'closed:a' }, 103],
    ['before the beginning', { channel: 'a', limit: 1, reverse: true, since: { offset: 0, epoch: 'fake' } }, 107],
    ['another epoch', { channel: 'a', limit: 1, since: { offset: 1, epoch: 'other' } }, 112],
  ])('%s', async (_what, history, expected) => {
    const { connection } = await setUp();
    expect(code(await connection.ask({ id: 2, history }))).toBe(expected);
  });

  test('is limited', async () => {
    const { connection } = await setUp({ history_max_publication_limit: 2 });
    for (const limit of [-1, 3]) {
      const [{ history }] = await connection.ask({ id: 2, history: { channel: 'a', limit } });
      expect(history.publications).toHaveLength(2);
    }
    const unlimited = await setUp({ history_max_publication_limit: 0 });
    const [{ history }] = await unlimited.connection.ask({ id: 2, history: { channel: 'a', limit: -1 } });
    expect(history.publications).toHaveLength(3);
  });

  test('no channel ends the connection', async () => {
    const { connection } = await setUp();
    await connection.ask({ id: 2, history: {} });
    expect(connection.closeCode).toBe(3501);
  });
});

describe.each(['presence', 'presence_stats'])('%s', (command) => {
  const channel = {
    without_namespace: { presence: true, allow_presence_for_client: true, allow_subscribe_for_client: true },
    namespaces: [{ name: 'closed', presence: true }, { name: 'none' }],
  };

  test('shows who is there', async () => {
    const connection = await new Rig({ channel }).connect();
    await connection.ask({ id: 2, subscribe: { channel: 'a' } });
    const { id } = connection.client;
    const shown = { presence: { [id]: { user: 'ann', client: id } } };
    const counted = { num_clients: 1, num_users: 1 };
    expect(await connection.ask({ id: 3, [command]: { channel: 'a' } })).toEqual([
      { id: 3, [command]: command === 'presence' ? shown : counted },
    ]);
  });

  test.each([
    ['an unknown namespace', 'no:a', 102],
    ['a name beyond ASCII', 'é', 107],
    ['a channel without presence', 'none:a', 108],
    ['no permission', 'closed:a', 103],
  ])('%s', async (_what, name, expected) => {
    const connection = await new Rig({ channel }).connect();
    expect(code(await connection.ask({ id: 2, [command]: { channel: name } }))).toBe(expected);
  });

  test('fails as the channel does', async () => {
    const rig = new Rig({ channel });
    const connection = await rig.connect();
    rig.channels.failNext = { code: 100, message: 'internal server error', temporary: true };
    expect(code(await connection.ask({ id: 2, [command]: { channel: 'a' } }))).toBe(100);
  });

  test('no channel ends the connection', async () => {
    const connection = await new Rig({ channel }).connect();
    await connection.ask({ id: 2, [command]: {} });
    expect(connection.closeCode).toBe(3501);
  });
});
