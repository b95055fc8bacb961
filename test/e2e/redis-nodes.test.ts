/** Two nodes with several workers share three Redis servers: to clients they are one server. */
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { freePort, type RedisServer, startRedis } from '../support/redis.js';
import { connected, type Flavour, json, next, protobuf, type SdkClient, values } from '../support/sdk.js';
import { type ConfigPart, type StartOptions, startServer, type TestServer, WORKERS } from '../support/server.js';
import { startProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const SHARDS = 3;
/** Enough for every worker and every shard to have some. */
const CHANNELS = 4 * WORKERS;

/** Four starts of a server, or several links that have to be found dead. */
const SLOW_MS = 40_000;

let shards: RedisServer[];
let nodes: [TestServer, TestServer];

const streams = {
  allow_subscribe_for_client: true,
  allow_publish_for_subscriber: true,
  allow_history_for_subscriber: true,
  history_size: 100,
  history_ttl: '1m',
  force_recovery: true,
};

const startNode = (
  address: readonly string[],
  more: ConfigPart = {},
  options: StartOptions = {},
): Promise<TestServer> =>
  startServer(
    {
      engine: { type: 'redis', redis: { address, io_timeout: '1s', connect_timeout: '1s' } },
      channel: {
        namespaces: [
          { name: 'live', allow_subscribe_for_client: true, allow_publish_for_subscriber: true },
          { name: 'stream', ...streams },
          { name: 'delta', ...streams, allowed_delta_types: ['fossil'], delta_publish: true },
          {
            name: 'presence',
            allow_subscribe_for_client: true,
            allow_presence_for_subscriber: true,
            presence: true,
            join_leave: true,
            force_push_join_leave: true,
          },
        ],
      },
      ...more,
    },
    options,
  );

beforeAll(async () => {
  shards = await Promise.all(Array.from({ length: SHARDS }, () => startRedis()));
  const addresses = shards.map(({ url }) => url);
  const started = await Promise.all([startNode(addresses), startNode(addresses)]);
  nodes = [started[0]!, started[1]!];
  return async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await Promise.all(shards.map((shard) => shard.stop()));
  };
});

interface Info {
  info: { user: string; client: string };
}

interface Subscribed {
  wasRecovering: boolean;
  recovered: boolean;
  streamPosition?: { offset: number; epoch: string };
}

/** One on each node, as different users. */
const pair = async (flavour: Flavour): Promise<[SdkClient, SdkClient]> => {
  const [one, two] = await Promise.all(nodes.map((node, i) => connected(node, flavour, `user${i}`)));
  return [one!, two!];
};

describe.each([json, protobuf])('$name', (flavour) => {
  let count = 0;
  let name: string;

  beforeEach(() => {
    name = `${flavour.name}-${++count}`;
  });

  test('what is published on one node reaches the subscribers of both, in one order', async () => {
    const clients = await pair(flavour);
    const channels = Array.from({ length: CHANNELS }, (_, i) => `stream:${name}-${i}`);
    const subscriptions = channels.map((channel) => Promise.all(clients.map((client) => client.subscribe(channel))));
    await Promise.all(
      subscriptions.map(async (subscribing, i) => {
        const both = await subscribing;
        await Promise.all([
          ...values(10).map((value, n) => nodes[n % 2]!.publish(channels[i]!, value)),
          ...values(10, 10).map((value, n) => both[n % 2]!.subscription.publish(flavour.encode(value))),
        ]);
        const [seen, ...others] = await Promise.all(both.map((subscription) => subscription.data(20)));
        expect(new Set(seen!.map((value) => (value as { n: number }).n)).size).toBe(20);
        for (const other of others) expect(other).toEqual(seen);
        for (const { offsets } of both) expect(offsets).toEqual(values(20).map(({ n }) => n + 1));
      }),
    );
    for (const shard of shards) expect(await shard.client.keys(`centrifugo.stream.stream:${name}*`)).not.toEqual([]);
  });

  test('publications without history arrive in the order of their publisher', async () => {
    const [one, two] = await pair(flavour);
    const read = await Promise.all([one, two].map((client) => client.subscribe(`live:${name}`)));
    const { subscription } = read[0]!;
    await Promise.all(values(30).map((value) => subscription.publish(flavour.encode(value))));
    for (const reader of read) expect(await reader.data(30)).toEqual(values(30));
    expect(new Set(read[1]!.received.map(({ user }) => user))).toEqual(new Set(['user0']));
  });

  test('who is present is known on both, joins and leaves are told', async () => {
    const channel = `presence:${name}`;
    const [watcher, other] = await pair(flavour);
    const { subscription } = await watcher.subscribe(channel);
    const joined = next<Info>(subscription, 'join', ({ info }) => info.client === other.id);
    await other.subscribe(channel);
    expect((await joined).info.user).toBe('user1');
    const present = { [watcher.id]: 'user0', [other.id]: 'user1' };
    const { clients } = await subscription.presence();
    expect(Object.fromEntries(Object.values(clients).map(({ client, user }) => [client, user]))).toEqual(present);
    for (const node of nodes) {
      expect(await node.api('presence_stats', { channel })).toEqual({ num_clients: 2, num_users: 2 });
    }
    const left = next<Info>(subscription, 'leave');
    await other.leave();
    expect((await left).info.client).toBe(other.id);
    for (const node of nodes) {
      const { presence } = await node.api<{ presence: object }>('presence', { channel });
      expect(Object.keys(presence)).toEqual([watcher.id]);
    }
  });

  test('deltas are of what both nodes published', async () => {
    const channel = `delta:${name}`;
    const document = (n: number) => ({ n, text: 'the same in every version, '.repeat(100) });
    const documents = values(20).map(({ n }) => document(n));
    const clients = await pair(flavour);
    const subscriptions = await Promise.all(clients.map((client) => client.subscribe(channel, { delta: 'fossil' })));
    let received = 0;
    for (const { sockets } of clients) sockets[0]!.on('message', (data: Buffer) => (received += data.byteLength));
    for (const value of documents) await nodes[value.n % 2]!.publish(channel, value);
    for (const subscription of subscriptions) expect(await subscription.data(20)).toEqual(documents);
    expect(received).toBeLessThan(2 * 3 * JSON.stringify(document(0)).length);
  });

  test('a publication with the same key, or an older version, is refused by the other node', async () => {
    const channel = `stream:${name}`;
    const [one, two] = nodes;
    const first = await one.publish(channel, { n: 1 }, { idempotency_key: 'key', version: 2 });
    expect(await two.publish(channel, { n: 2 }, { idempotency_key: 'key' })).toEqual(first);
    expect(await two.publish(channel, { n: 3 }, { version: 1 })).toEqual(first);
    expect(await two.publish(channel, { n: 4 }, { version: 3 })).toEqual({ ...first, offset: 2 });
  });

  test('who was cut off from one node recovers what the other published', async () => {
    const channel = `stream:${name}`;
    const [client] = await pair(flavour);
    const subscription = await client.subscribe(channel);
    const comeBack = await client.leave();
    for (const value of values(10)) await nodes[1].publish(channel, value);
    const back = next<Subscribed>(subscription.subscription, 'subscribed');
    await comeBack();
    expect(await back).toMatchObject({ wasRecovering: true, recovered: true });
    expect(await subscription.data(10)).toEqual(values(10));
  });
});

test('history and positions outlive the nodes', { timeout: SLOW_MS }, async () => {
  const addresses = shards.map(({ url }) => url);
  const ports = [await freePort(), await freePort()];
  const started: TestServer[] = [];
  const start = async (): Promise<[TestServer, TestServer]> => {
    const starting = ports.map((port) => startNode(addresses, { workers: { count: 2 } }, { port }));
    const [one, two] = await Promise.all(starting);
    started.push(one!, two!);
    return [one!, two!];
  };
  onTestFinished(async () => {
    await Promise.all(started.map((node) => node.stop()));
  });
  const [one, two] = await start();
  const clients = await Promise.all([connected(one, json, 'user0'), connected(two, protobuf, 'user1')]);
  const channels = Array.from({ length: CHANNELS }, (_, i) => `stream:outlives-${i}`);
  const subscribing = clients.flatMap((client) => channels.map((channel) => client.subscribe(channel)));
  const subscriptions = await Promise.all(subscribing);
  const publish = (node: TestServer, n: number) => Promise.all(channels.map((channel) => node.publish(channel, { n })));
  const first = await publish(one, 0);
  for (const subscription of subscriptions) await subscription.data(1);
  await one.stop();
  await publish(two, 1);
  await two.stop();

  const results = subscriptions.map(({ subscription }) => next<Subscribed>(subscription, 'subscribed'));
  const [again] = await start();
  for (const result of await Promise.all(results)) expect(result).toMatchObject({ recovered: true });
  const last = await publish(again, 2);
  expect(last).toEqual(first.map(({ offset, epoch }) => ({ offset: offset! + 2, epoch })));
  for (const subscription of subscriptions) expect(await subscription.data(3)).toEqual(values(3));
});

test('a node is ready while it reaches all shards, and says which it does not', { timeout: SLOW_MS }, async () => {
  const networks = await Promise.all(shards.map(({ port }) => startProxy(port)));
  const addresses = networks.map(({ url }, i) => `${url}?shard_name=shard${i}`);
  const node = await startNode(addresses, { workers: { count: 2 } });
  onTestFinished(async () => {
    await node.stop();
    await Promise.all(networks.map((network) => network.close()));
  });
  const ready = async () => {
    const { status, body } = await node.request('GET', '/health/ready');
    return { status, faults: JSON.parse(body) as { engine?: string[]; controller?: string[] } };
  };
  await until('ready at first', async () => (await ready()).status === 200);
  for (const [i, state] of (['stalled', 'closed'] as const).entries()) {
    networks[i]!.set(state);
    await until(`not ready while shard ${i} is ${state}`, async () => (await ready()).faults.engine?.length === 1);
    await until('the controller notices too', async () => (await ready()).faults.controller?.length === 1);
    expect(await ready()).toEqual({
      status: 503,
      faults: { engine: [`engine.redis shard${i}`], controller: [`shard${i}`] },
    });
    networks[i]!.set('open');
    await until('ready again', async () => (await ready()).status === 200);
  }
  networks[0]!.abandon();
  await until('not ready while connections are half open', async () => (await ready()).status === 503);
  await until('ready on new connections', async () => (await ready()).status === 200);
});
