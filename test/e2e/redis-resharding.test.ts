/** Processes with the old list of shards are replaced by processes with the new one, while clients publish and listen. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type RedisServer, startRedis } from '../support/redis.js';
import { connected, json, next, type SdkSubscription } from '../support/sdk.js';
import { startServer, type TestServer } from '../support/server.js';
import { until } from '../support/until.js';

const CHANNELS = Array.from({ length: 12 }, (_, i) => `stream:${i}`);
/** It takes seconds until it is certain that no other nodes are there. */
const SLOW = { timeout: 60_000 };

let servers: RedisServer[];

beforeAll(async () => {
  servers = await Promise.all([startRedis(), startRedis()]);
});

afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()));
});

const stream = { allow_subscribe_for_client: true, history_size: 10_000, history_ttl: '1m', force_recovery: true };

async function startNode(redis: object): Promise<TestServer> {
  const node = await startServer({
    workers: { count: 2 },
    engine: { type: 'redis', redis },
    channel: { namespaces: [{ name: 'stream', ...stream }] },
  });
  onTestFinished(() => node.stop());
  return node;
}

const streamsAt = async (server: RedisServer): Promise<number> =>
  (await server.client.keys('centrifugo.stream.stream:*')).length;

async function listen(node: TestServer, user: string): Promise<SdkSubscription[]> {
  const client = await connected(node, json, user);
  return Promise.all(CHANNELS.map((channel) => client.subscribe(channel)));
}

test('a Redis is replaced by another: nobody misses a publication, and recovery goes on', SLOW, async () => {
  const [from, to] = servers as [RedisServer, RedisServer];
  const list = { address: [to.url], previous_address: [from.url] };
  /** By channel. */
  const published = CHANNELS.map(() => 0);
  const publish = (node: TestServer, i: number) => node.publish(CHANNELS[i]!, { n: ++published[i]! });
  const publishAll = (node: TestServer) => Promise.all(CHANNELS.map((_, i) => publish(node, i)));
  /** The first publications are those before they came. */
  const haveAll = async (listeners: SdkSubscription[], before: number): Promise<void> => {
    await until('everything arrives', () =>
      listeners.every(({ received }, i) => received.length >= published[i]! - before),
    );
    const wanted = published
      .slice(0, listeners.length)
      .map((count) => Array.from({ length: count - before }, (_, n) => before + n + 1));
    expect(listeners.map(({ offsets }) => offsets)).toEqual(wanted);
    expect(listeners.map(({ received }) => received.map(({ data }) => (data as { n: number }).n))).toEqual(wanted);
  };

  const old = await startNode({ address: [from.url] });
  const ofOld = await listen(old, 'of the old node');
  await publishAll(old);
  const { epoch } = await old.api<{ epoch: string }>('history', { channel: CHANNELS[0] });

  const one = await startNode(list);
  const ofOne = await listen(one, 'of the first new node');
  for (let round = 0; round < 5; round++) for (const node of [old, one]) await publishAll(node);
  await haveAll(ofOld, 0);
  await haveAll(ofOne, 1);
  expect(await streamsAt(to)).toBe(0);

  await old.stop();
  const two = await startNode(list);
  const ofTwo = await listen(two, 'of the second new node');
  let i = 0;
  await until('channels are carried over', async () => {
    await publish(one, i++ % CHANNELS.length);
    return (await streamsAt(to)) === CHANNELS.length;
  });
  // The second still takes its time, and meets the fences.
  for (const node of [two, one]) await publishAll(node);
  await haveAll(ofOne, 1);
  await haveAll(ofTwo, 11);
  expect(await streamsAt(from)).toBe(0);

  // Who has been away since the beginning misses nothing.
  const client = await connected(two, json, 'back again');
  const back = client.subscription(CHANNELS[0]!, { since: { offset: 1, epoch } });
  const subscribed = next<{ recovered: boolean }>(back.subscription, 'subscribed');
  back.subscription.subscribe();
  expect((await subscribed).recovered).toBe(true);
  await haveAll([back], 1);
});
