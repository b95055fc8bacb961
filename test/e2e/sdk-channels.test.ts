import { beforeAll, describe, expect, test } from 'vitest';
import { connected, json, next, protobuf, type SdkClient, values } from '../support/sdk.js';
import { startServer, type TestServer, WORKERS } from '../support/server.js';

let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    channel: {
      without_namespace: {
        allow_subscribe_for_client: true,
        allow_publish_for_subscriber: true,
        allow_history_for_subscriber: true,
        allow_presence_for_subscriber: true,
        allow_tags_filter: true,
        presence: true,
        join_leave: true,
        history_size: 100,
        history_ttl: '1m',
      },
    },
  });
  return () => server.stop();
});

interface Info {
  info: { user: string; client: string };
}

describe.each([json, protobuf])('$name', (flavour) => {
  const named = (channel: string): string => `${flavour.name}-${channel}`;

  /** Connections made in turn are on different workers. */
  async function clients(count: number): Promise<SdkClient[]> {
    const made: SdkClient[] = [];
    for (let i = 0; i < count; i++) made.push(await connected(server, flavour, `user${i}`));
    return made;
  }

  test('what backend and clients publish reaches the subscribers of all workers, in one order', async () => {
    const channel = named('all');
    const all = await clients(2 * WORKERS);
    const subscriptions = await Promise.all(all.map((client) => client.subscribe(channel, { positioned: true })));
    await Promise.all([
      ...values(20).map((value) => server.publish(channel, value)),
      ...values(20, 20).map((value, i) =>
        subscriptions[i % subscriptions.length]!.subscription.publish(flavour.encode(value)),
      ),
    ]);
    const [first, ...others] = await Promise.all(subscriptions.map((subscription) => subscription.data(40)));
    expect(first).toHaveLength(40);
    expect(new Set(first!.map((value) => (value as { n: number }).n)).size).toBe(40);
    for (const other of others) expect(other).toEqual(first);
    for (const { offsets } of subscriptions) expect(offsets).toEqual(values(40).map(({ n }) => n + 1));
  });

  test('a publisher is named in what it publishes, and its own publications keep their order', async () => {
    const channel = named('mine');
    const [publisher, reader] = (await clients(2)) as [SdkClient, SdkClient];
    const read = await reader.subscribe(channel);
    const { subscription } = await publisher.subscribe(channel);
    await Promise.all(values(30).map((value) => subscription.publish(flavour.encode(value))));
    expect(await read.data(30)).toEqual(values(30));
    expect(new Set(read.received.map(({ user }) => user))).toEqual(new Set(['user0']));
  });

  test('history is read by limit, from a position and backwards', async () => {
    const channel = named('history');
    for (const value of values(5)) await server.publish(channel, value);
    const [client] = (await clients(1)) as [SdkClient];
    const { subscription } = await client.subscribe(channel);
    const top = await subscription.history({ limit: 0 });
    expect(top).toMatchObject({ offset: 5, publications: [] });
    const since = (offset: number) => ({ offset, epoch: top.epoch });
    const read = async (options: object) =>
      (await subscription.history(options)).publications.map(({ offset, data }) => [offset, flavour.decode(data)]);
    const item = (n: number) => [n + 1, { n }];
    expect(await read({ limit: -1 })).toEqual([0, 1, 2, 3, 4].map(item));
    expect(await read({ limit: 2 })).toEqual([0, 1].map(item));
    expect(await read({ limit: 2, since: since(2) })).toEqual([2, 3].map(item));
    expect(await read({ limit: 2, reverse: true })).toEqual([4, 3].map(item));
    expect(await read({ limit: 10, reverse: true, since: since(3) })).toEqual([1, 0].map(item));
    await expect(subscription.history({ limit: 1, since: { offset: 1, epoch: 'other' } })).rejects.toMatchObject({
      code: 112,
    });
  });

  test('presence shows the subscribers of all workers, joins and leaves are told', async () => {
    const channel = named('presence');
    const [watcher, ...others] = (await clients(1 + WORKERS)) as [SdkClient, ...SdkClient[]];
    const { subscription } = await watcher.subscribe(channel, { joinLeave: true });
    for (const other of others) {
      const joined = next<Info>(subscription, 'join', ({ info }) => info.client === other.id);
      await other.subscribe(channel);
      expect((await joined).info.user).toMatch(/^user/);
    }
    const { clients: present } = await subscription.presence();
    expect(Object.keys(present).sort()).toEqual([watcher, ...others].map(({ id }) => id).sort());
    expect(await subscription.presenceStats()).toEqual({ numClients: 5, numUsers: 5 });

    const [gone] = others as [SdkClient, ...SdkClient[]];
    const left = next<Info>(subscription, 'leave');
    gone.centrifuge.disconnect();
    expect((await left).info.client).toBe(gone.id);
    expect(await subscription.presenceStats()).toEqual({ numClients: 4, numUsers: 4 });
    expect(await server.api('presence_stats', { channel })).toEqual({ num_clients: 4, num_users: 4 });
  });

  test('a tags filter lets through what matches', async () => {
    const channel = named('tags');
    const [filtered, whole] = (await clients(2)) as [SdkClient, SdkClient];
    const some = await filtered.subscribe(channel, { tagsFilter: { key: 'kind', cmp: 'in', vals: ['a', 'b'] } });
    const all = await whole.subscribe(channel);
    for (const kind of ['a', 'c', 'b', 'c', 'a']) await server.publish(channel, { kind }, { tags: { kind } });
    await server.publish(channel, { kind: 'none' });
    await server.publish(channel, { kind: 'last' }, { tags: { kind: 'a' } });
    expect(await all.data(7)).toHaveLength(7);
    expect(all.received[1]!.tags).toEqual({ kind: 'c' });
    expect(await some.data(4)).toEqual([{ kind: 'a' }, { kind: 'b' }, { kind: 'a' }, { kind: 'last' }]);
  });

  test('after unsubscribing nothing more arrives', async () => {
    const channel = named('unsubscribed');
    const [client, other] = (await clients(2)) as [SdkClient, SdkClient];
    const mine = await client.subscribe(channel);
    const others = await other.subscribe(channel);
    await server.publish(channel, { n: 0 });
    await mine.data(1);
    mine.subscription.unsubscribe();
    // A reply behind the unsubscribe: the server has seen it.
    const marker = await client.subscribe(named('marker'));
    await server.publish(channel, { n: 1 });
    await server.publish(named('marker'), { n: 2 });
    await Promise.all([others.data(2), marker.data(1)]);
    expect(mine.received).toHaveLength(1);
  });
});
