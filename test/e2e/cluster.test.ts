/** Two nodes on one Redis. */
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type RedisServer, startRedis } from '../support/redis.js';
import { connected, json, next, now, protobuf, type SdkClient } from '../support/sdk.js';
import { type ConfigPart, startServer, type TestServer } from '../support/server.js';
import { until } from '../support/until.js';

let redis: RedisServer;
let one: TestServer;
let two: TestServer;

const startNode = (name: string, more: ConfigPart = {}): Promise<TestServer> =>
  startServer({
    node: { name },
    engine: { type: 'redis', redis: { address: [redis.url], io_timeout: '500ms', connect_timeout: '500ms' } },
    channel: { without_namespace: { allow_subscribe_for_client: true } },
    workers: { count: 2 },
    ...more,
  });

interface Node {
  name: string;
  uid: string;
  num_clients: number;
  num_users: number;
  num_channels: number;
  num_subs: number;
  uptime: number;
}

const info = async (server: TestServer): Promise<Node[]> => (await server.api<{ nodes: Node[] }>('info')).nodes;
const names = async (server: TestServer): Promise<string[]> => (await info(server)).map(({ name }) => name).sort();
const sees = (server: TestServer, ...expected: string[]): Promise<void> =>
  until(`nodes are ${expected.join()}`, async () => (await names(server)).join() === expected.join());

beforeAll(async () => {
  redis = await startRedis();
  one = await startNode('one');
  two = await startNode('two');
  return async () => {
    await Promise.all([one.stop(), two.stop()]);
    await redis.stop();
  };
});

describe('info', () => {
  test('shows both nodes, each first to itself', async () => {
    await Promise.all([sees(one, 'one', 'two'), sees(two, 'one', 'two')]);
    const [self] = await info(two);
    expect(self!.name).toBe('two');
  });

  test('shows what other nodes have, as they said last', async () => {
    const client = await connected(two, json, 'counted');
    await client.subscribe('counted-a');
    await client.subscribe('counted-b');
    const shown = async () => (await info(one)).find(({ name }) => name === 'two')!;
    await until('the client is counted', async () => (await shown()).num_subs === 2);
    expect(await shown()).toMatchObject({ num_clients: 1, num_users: 1, num_channels: 2 });
    await client.leave();
  });
});

describe.each([json, protobuf])('$name', (flavour) => {
  const named = (name: string): string => `${flavour.name}-${name}`;
  let user: string;
  let channel: string;
  let clients: SdkClient[];
  let count = 0;

  /** A user with a connection on each node. */
  beforeEach(async () => {
    user = named(`user-${++count}`);
    channel = named(`channel-${count}`);
    clients = await Promise.all([one, two].map((node) => connected(node, flavour, user)));
  });

  test('channels are those of both nodes', async () => {
    await Promise.all(clients.map((client) => client.subscribe(channel)));
    await clients[1]!.subscribe(`${channel}-two`);
    for (const node of [one, two]) {
      const { channels } = await node.api<{ channels: object }>('channels', { pattern: `${channel}*` });
      expect(channels).toEqual({ [channel]: { num_clients: 2 }, [`${channel}-two`]: { num_clients: 1 } });
    }
  });

  test('the backend subscribes and unsubscribes the connections of a user on both', async () => {
    const subscribed = clients.map((client) =>
      next<{ channel: string; data: unknown }>(client.centrifuge, 'subscribed'),
    );
    await one.api('subscribe', { user, channel, data: { hello: 'é' } });
    for (const push of await Promise.all(subscribed)) {
      expect(push.channel).toBe(channel);
      expect(flavour.decode(push.data)).toEqual({ hello: 'é' });
    }
    const unsubscribed = clients.map((client) => next<{ channel: string }>(client.centrifuge, 'unsubscribed'));
    await two.api('unsubscribe', { user, channel });
    for (const push of await Promise.all(unsubscribed)) expect(push.channel).toBe(channel);
  });

  test('the backend disconnects the connections of a user on both, but for some', async () => {
    const spared = await connected(two, flavour, user);
    const gone = clients.map((client) => next<{ code: number; reason: string }>(client.centrifuge, 'disconnected'));
    await one.api('disconnect', { user, whitelist: [spared.id], disconnect: { code: 4567, reason: 'enough' } });
    for (const push of await Promise.all(gone)) expect(push).toMatchObject({ code: 4567, reason: 'enough' });
    await spared.subscribe(channel);
  });

  test('the backend ends connections on both by refreshing them', async () => {
    const gone = clients.map((client) => next<{ code: number }>(client.centrifuge, 'connecting'));
    // The library reconnects, as its token is still good.
    await two.api('refresh', { user, expire_at: now() - 10 });
    for (const push of await Promise.all(gone)) expect(push.code).toBe(3005);
  });
});

test('a node that is told to end is gone at once, one that is killed after seven seconds', async () => {
  const leaving = await startNode('zleaving');
  await Promise.all([sees(one, 'one', 'two', 'zleaving'), sees(leaving, 'one', 'two', 'zleaving')]);
  const gone = next(await connected(leaving, json, 'leaving').then(({ centrifuge }) => centrifuge), 'connecting');
  leaving.signal('SIGTERM');
  await gone;
  // Goodbye was said before connections were closed.
  expect(await names(one)).toEqual(['one', 'two']);
  expect(await leaving.exited).toBe(0);

  const killed = await startNode('zkilled');
  await sees(one, 'one', 'two', 'zkilled');
  killed.signal('SIGKILL');
  await killed.exited;
  const since = performance.now();
  expect(await names(one)).toEqual(['one', 'two', 'zkilled']);
  await sees(one, 'one', 'two');
  expect(performance.now() - since).toBeGreaterThan(3000);
});

const ready = async (server: TestServer) => {
  const { status, body } = await server.request('GET', '/health/ready');
  return { status, body: JSON.parse(body) as unknown };
};

test('a node with a worker that hangs is not ready', async () => {
  const node = await startServer({ workers: { count: 2, hang_timeout: '500ms' } }, { faults: true });
  onTestFinished(() => node.stop());
  expect(await ready(node)).toEqual({ status: 200, body: {} });
  await node.inflict('hang', 1);
  // From then on it gets no connections.
  await node.logged(({ msg }) => msg.startsWith('worker hangs'));
  expect(await ready(node)).toEqual({ status: 503, body: { silent: ['1'] } });
  await node.inflict('resume', 1);
  await until('the node is ready', async () => (await ready(node)).status === 200);
});

test('readiness follows Redis, liveness does not', async () => {
  const own = await startRedis();
  onTestFinished(() => own.stop());
  const node = await startNode('alone', {
    engine: { type: 'redis', redis: { address: [own.url], io_timeout: '500ms', connect_timeout: '500ms' } },
  });
  onTestFinished(() => node.stop());
  expect(await ready(node)).toEqual({ status: 200, body: {} });
  await own.kill();
  await until('the node is not ready', async () => (await ready(node)).status === 503);
  expect((await ready(node)).body).toMatchObject({ controller: ['0'] });
  expect(await node.request('GET', '/health')).toEqual({ status: 200, body: '{}' });
  expect(await node.call('disconnect', { user: 'x' })).toEqual({
    error: { code: 100, message: 'internal server error' },
  });
  await own.start();
  await until('the node is ready', async () => (await ready(node)).status === 200);
});
