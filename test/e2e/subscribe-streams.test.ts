/** Subscriptions whose publications the application supplies, one stream each. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { GrpcApplication } from '../support/grpc-application.js';
import { connected, json, next, overHttp, protobuf, type SdkClient, values } from '../support/sdk.js';
import { startServer, type TestServer } from '../support/server.js';
import { until } from '../support/until.js';

let application: GrpcApplication;
let server: TestServer;

beforeAll(async () => {
  application = await GrpcApplication.open();
  const stream = { subscribe_stream_proxy_enabled: true, presence: true, allow_presence_for_subscriber: true };
  server = await startServer({
    client: { queue_max_size: 100_000 },
    websocket: { write_timeout: '60s' },
    http_stream: { enabled: true },
    channel: {
      proxy: { subscribe_stream: { endpoint: application.url, timeout: '10s' } },
      namespaces: [
        { name: 'feed', ...stream },
        { name: 'talk', ...stream, subscribe_stream_proxy_bidirectional: true },
      ],
    },
  });
});

afterAll(async () => {
  await server.stop();
  await application.close();
});

beforeEach(() => {
  application.answer = () => ({ result: {} });
  application.onStream = () => {};
  application.streams.length = 0;
});

interface Ended {
  code: number;
  reason: string;
}

describe.each([json, protobuf])('$name', (flavour) => {
  const open = (user = 'ann'): Promise<SdkClient> => connected(server, flavour, user);
  /** The stream of the one subscription that `subscribe` makes. */
  const streamed = async (client: SdkClient, channel: string) => {
    const before = application.streams.length;
    const subscribed = await client.subscribe(channel);
    return { subscribed, stream: await application.stream(before + 1) };
  };

  test('a subscriber gets what its own stream brings, from the first on, and nobody else', async () => {
    application.answer = () => ({ result: { data: { hello: 1 } } });
    application.onStream = (stream) => values(10).forEach((value) => void stream.send(value, { a: 'b' }));
    const [ann, bob] = [await open('ann'), await open('bob')];
    const first = ann.subscription('feed:a');
    const is = next<{ data: unknown }>(first.subscription, 'subscribed');
    first.subscription.subscribe();
    expect(flavour.decode((await is).data)).toEqual({ hello: 1 });
    expect(await first.data(10)).toEqual(values(10));
    expect(first.received[0]).toMatchObject({ tags: { a: 'b' } });
    const second = await streamed(bob, 'feed:a');
    second.stream.send({ n: 'for bob' });
    expect(await second.subscribed.data(11)).toEqual([...values(10), { n: 'for bob' }]);
    // The channel is one as any other for the server, and comes after what was sent before.
    await server.publish('feed:a', { n: 'for all' });
    expect(await first.data(11)).toEqual([...values(10), { n: 'for all' }]);
    const { clients } = await first.subscription.presence();
    expect(Object.keys(clients).sort()).toEqual([ann.id, bob.id].sort());
  });

  test('what is published on a bidirectional stream goes to the application alone', async () => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    const mine = await streamed(ann, 'talk:a');
    const other = await streamed(bob, 'talk:a');
    for (const value of values(20)) await mine.subscribed.subscription.publish(flavour.encode(value));
    await until('it is there', () => mine.stream.received.length === 20);
    expect(mine.stream.received).toEqual(values(20));
    other.stream.send('last');
    expect(await other.subscribed.data(1)).toEqual(['last']);
    expect(mine.subscribed.received).toEqual([]);
  });

  test('publishing is not available without such a stream', async () => {
    const client = await open();
    const { subscribed } = await streamed(client, 'feed:a');
    await expect(subscribed.subscription.publish(flavour.encode(1))).rejects.toMatchObject({ code: 108 });
    await expect(client.centrifuge.publish('talk:b', flavour.encode(1))).rejects.toMatchObject({ code: 108 });
  });

  test('the application may refuse, or end the connection', async () => {
    application.answer = () => ({ error: { code: 1403, message: 'no' } });
    const client = await open();
    const { subscription } = client.subscription('feed:a');
    const refused = next<Ended>(subscription, 'unsubscribed');
    subscription.subscribe();
    expect(await refused).toMatchObject({ code: 1403, reason: 'no' });
    application.answer = () => ({ disconnect: { code: 4501, reason: 'out' } });
    const ended = next<Ended>(client.centrifuge, 'disconnected');
    client.subscription('feed:b').subscription.subscribe();
    expect(await ended).toEqual({ code: 4501, reason: 'out' });
  });

  test('a stream that ends unsubscribes; one that fails has the client subscribe again', async () => {
    const client = await open();
    const { subscribed, stream } = await streamed(client, 'feed:a');
    const again = next<Ended>(subscribed.subscription, 'subscribing');
    stream.send(1);
    stream.fail();
    expect(await again).toMatchObject({ code: 2500, reason: 'insufficient state' });
    const second = await application.stream(2);
    second.send(2);
    expect(await subscribed.data(2)).toEqual([1, 2]);
    const over = next<Ended>(subscribed.subscription, 'unsubscribed');
    second.end();
    expect(await over).toMatchObject({ code: 2000, reason: 'server unsubscribe' });
  });

  test('a subscription that ends closes its stream: by either side, or with the connection', async () => {
    const client = await open();
    const [one, two, three] = ['a', 'b', 'c'].map((name) => `feed:${name}`);
    const first = await streamed(client, one!);
    const second = await streamed(client, two!);
    const third = await streamed(client, three!);
    first.subscribed.subscription.unsubscribe();
    await until('the first is cancelled', () => first.stream.cancelled);
    await server.api('unsubscribe', { user: 'ann', channel: two });
    await until('the second is cancelled', () => second.stream.cancelled);
    expect(third.stream.cancelled).toBe(false);
    client.sockets.at(-1)!.terminate();
    await until('the third is cancelled', () => third.stream.cancelled);
  });
});

test('a client that does not read is closed, and its stream with it', async () => {
  const client = await connected(server, json, 'ann');
  await client.subscribe('feed:a');
  const stream = await application.stream(1);
  client.sockets.at(-1)!.pause();
  const big = 'x'.repeat(50_000);
  await until('it is cancelled', () => {
    for (let i = 0; i < 20 && !stream.cancelled; i++) stream.send(big);
    return stream.cancelled;
  });
});

test('a subscription that is given up while the application thinks', async () => {
  application.hold();
  const client = await connected(server, json, 'ann');
  const { subscription } = client.subscription('feed:late');
  const questions = application.questions.length;
  subscription.subscribe();
  await application.asked(questions + 1);
  client.centrifuge.disconnect();
  application.release();
  const stream = await application.stream(1);
  await until('it is cancelled', () => stream.cancelled);
});

test('over HTTP streaming', async () => {
  const client = await connected(server, json, 'ann', overHttp(server, 'http_stream'));
  const heard = await client.subscribe('talk:a');
  const stream = await application.stream(1);
  stream.send(1);
  expect(await heard.data(1)).toEqual([1]);
  for (const value of values(8)) await heard.subscription.publish(value);
  await until('it is there', () => stream.received.length === 8);
  expect(application.questions.at(-1)!.body).toMatchObject({ client: client.id, transport: 'http_stream' });
});
