import { beforeAll, describe, expect, test } from 'vitest';
import { connected, json, next, protobuf, type SdkSubscription, values } from '../support/sdk.js';
import { startServer, type TestServer } from '../support/server.js';

const HISTORY_SIZE = 50;

let server: TestServer;

beforeAll(async () => {
  const recoverable = {
    allow_subscribe_for_client: true,
    history_size: HISTORY_SIZE,
    history_ttl: '1m',
    force_recovery: true,
    allowed_delta_types: ['fossil'],
  };
  server = await startServer({
    channel: {
      without_namespace: recoverable,
      namespaces: [
        { name: 'cache', ...recoverable, force_recovery_mode: 'cache', history_size: 1 },
        { name: 'autocache', ...recoverable, force_recovery_mode: 'cache', auto_cache_recover: true },
        { name: 'delta', ...recoverable, delta_publish: true },
      ],
    },
  });
  return () => server.stop();
});

interface Subscribed {
  wasRecovering: boolean;
  recovered: boolean;
  streamPosition?: { offset: number; epoch: string };
}

const subscribed = ({ subscription }: SdkSubscription): Promise<Subscribed> =>
  next<Subscribed>(subscription, 'subscribed');

describe.each([json, protobuf])('$name', (flavour) => {
  const named = (channel: string, namespace = ''): string => `${namespace}${flavour.name}-${channel}`;

  test('after a cut nothing is missing and nothing comes twice, while publishing goes on', async () => {
    const channel = named('cut');
    const readers = await Promise.all(['a', 'b', 'c', 'd'].map((user) => connected(server, flavour, user)));
    const all = await Promise.all(readers.map((reader) => reader.subscribe(channel)));
    let published = 0;
    const publish = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) await server.publish(channel, { n: published++ });
    };
    await publish(5);
    for (let round = 0; round < 3; round++) {
      const back = Promise.all(all.map(subscribed));
      await Promise.all([publish(10), ...readers.map((reader) => reader.cut())]);
      for (const result of await back) expect(result).toMatchObject({ wasRecovering: true, recovered: true });
      await publish(5);
    }
    for (const subscription of all) {
      expect(await subscription.data(published)).toEqual(values(published));
      expect(subscription.offsets).toEqual(values(published).map(({ n }) => n + 1));
    }
  });

  test('what was published during an absence is recovered', async () => {
    const channel = named('absence');
    const client = await connected(server, flavour, 'user');
    const subscription = await client.subscribe(channel);
    await server.publish(channel, { n: 0 });
    await subscription.data(1);
    const comeBack = await client.leave();
    for (const value of values(20, 1)) await server.publish(channel, value);
    const back = subscribed(subscription);
    await comeBack();
    expect(await back).toMatchObject({ wasRecovering: true, recovered: true, hasRecoveredPublications: true });
    await server.publish(channel, { n: 21 });
    expect(await subscription.data(22)).toEqual(values(22));
  });

  test('a subscriber who was away for too long is told so and goes on from the top', async () => {
    const channel = named('too-long');
    const client = await connected(server, flavour, 'user');
    const subscription = await client.subscribe(channel);
    const comeBack = await client.leave();
    const missed = HISTORY_SIZE + 1;
    for (const value of values(missed)) await server.publish(channel, value);
    const back = subscribed(subscription);
    await comeBack();
    expect(await back).toMatchObject({ wasRecovering: true, recovered: false, hasRecoveredPublications: false });
    await server.publish(channel, { n: missed });
    expect(await subscription.data(1)).toEqual([{ n: missed }]);
    expect(subscription.offsets).toEqual([missed + 1]);
  });

  test('a position of another epoch, or beyond the top, is not recovered', async () => {
    const channel = named('position');
    const { epoch } = await server.publish(channel, { n: 0 });
    const positions = [
      { offset: 0, epoch: 'other' },
      { offset: 7, epoch: epoch! },
    ];
    for (const since of positions) {
      const client = await connected(server, flavour, 'user');
      const subscription = client.subscription(channel, { since });
      const back = subscribed(subscription);
      subscription.subscription.subscribe();
      expect(await back).toMatchObject({ recovered: false, streamPosition: { offset: 1, epoch } });
    }
  });

  test('history that was removed is not recovered', async () => {
    const channel = named('removed');
    const client = await connected(server, flavour, 'user');
    const subscription = await client.subscribe(channel);
    const comeBack = await client.leave();
    await server.publish(channel, { n: 0 });
    await server.api('history_remove', { channel });
    const back = subscribed(subscription);
    await comeBack();
    expect(await back).toMatchObject({ wasRecovering: true, recovered: false });
  });

  test('in cache mode only the latest publication is recovered', async () => {
    const channel = named('latest', 'cache:');
    const client = await connected(server, flavour, 'user');
    const subscription = await client.subscribe(channel);
    const comeBack = await client.leave();
    for (const value of values(5)) await server.publish(channel, value);
    const back = subscribed(subscription);
    await comeBack();
    expect(await back).toMatchObject({ wasRecovering: true, recovered: true });
    expect(await subscription.data(1)).toEqual([{ n: 4 }]);
    await server.publish(channel, { n: 5 });
    expect(await subscription.data(2)).toEqual([{ n: 4 }, { n: 5 }]);
  });

  test('with auto_cache_recover a new subscriber gets the latest publication', async () => {
    const channel = named('latest', 'autocache:');
    for (const value of values(3)) await server.publish(channel, value);
    const client = await connected(server, flavour, 'user');
    const subscription = await client.subscribe(channel);
    expect(await subscription.data(1)).toEqual([{ n: 2 }]);
  });

  test('deltas arrive as what was published, live and recovered, in fewer bytes', async () => {
    const channel = named('prices', 'delta:');
    const document = (n: number) => ({ n, text: 'the same in every version, '.repeat(100) });
    const documents = (count: number) => values(count).map(({ n }) => document(n));
    const bytes = JSON.stringify(document(0)).length;
    const client = await connected(server, flavour, 'user');
    let received = 0;
    const count = () => client.sockets.at(-1)!.on('message', (data: Buffer) => (received += data.byteLength));
    count();
    const subscription = await client.subscribe(channel, { delta: 'fossil' });
    for (const value of documents(10)) await server.publish(channel, value);
    expect(await subscription.data(10)).toEqual(documents(10));
    expect(received).toBeGreaterThan(bytes);
    expect(received).toBeLessThan(3 * bytes);

    const comeBack = await client.leave();
    for (let n = 10; n < 20; n++) await server.publish(channel, document(n));
    const back = subscribed(subscription);
    await comeBack();
    expect(await back).toMatchObject({ wasRecovering: true, recovered: true });
    expect(await subscription.data(20)).toEqual(documents(20));
    received = 0;
    count();
    for (let n = 20; n < 25; n++) await server.publish(channel, document(n));
    expect(await subscription.data(25)).toEqual(documents(25));
    expect(received).toBeLessThan(bytes);
  });
});
