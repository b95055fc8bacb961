/** The official client library where WebSocket does not get through: HTTP streaming and Server-Sent Events. */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import { type RedisServer, startRedis } from '../support/redis.js';
import {
  connected,
  connectionToken,
  type Flavour,
  json,
  newClient,
  next,
  overHttp,
  protobuf,
  type StreamTransport,
  values,
} from '../support/sdk.js';
import { type ConfigPart, startServer, type TestServer } from '../support/server.js';
import { until } from '../support/until.js';

const config: ConfigPart = {
  http_stream: { enabled: true },
  sse: { enabled: true },
  channel: {
    without_namespace: {
      allow_subscribe_for_client: true,
      allow_publish_for_subscriber: true,
      allow_presence_for_subscriber: true,
      presence: true,
      history_size: 100,
      history_ttl: '60s',
      force_recovery: true,
    },
  },
};

const cases: [name: string, transport: StreamTransport, flavour: Flavour][] = [
  ['HTTP streaming in JSON', 'http_stream', json],
  ['HTTP streaming in Protobuf', 'http_stream', protobuf],
  ['Server-Sent Events', 'sse', json],
];

let server: TestServer;
beforeAll(async () => {
  // So that the queue decides who is slow, and the log says so.
  server = await startServer({ ...config, log: { level: 'debug' }, websocket: { write_timeout: '60s' } });
  return () => server.stop();
});

describe.each(cases)('%s', (name, transport, flavour) => {
  const channel = (what: string) => `${what} over ${name}`;

  test('commands reach the connection whichever worker gets them, and publications come in order', async () => {
    const client = await connected(server, flavour, 'ann', overHttp(server, transport));
    const heard = await client.subscribe(channel('chat'));
    for (const value of values(20)) await client.centrifuge.publish(channel('chat'), flavour.encode(value));
    await server.publish(channel('chat'), { n: 20 });
    expect(await heard.data(21)).toEqual(values(21));
    const { clients } = await client.centrifuge.presence(channel('chat'));
    expect(Object.keys(clients)).toEqual([client.id]);
    const { channels } = await server.api<{ channels: object }>('channels', { pattern: channel('chat') });
    expect(channels).toEqual({ [channel('chat')]: { num_clients: 1 } });
  });

  test('what was missed is recovered', async () => {
    const client = await connected(server, flavour, 'ann', overHttp(server, transport));
    const heard = await client.subscribe(channel('missed'));
    await server.publish(channel('missed'), { n: 0 });
    await heard.data(1);
    client.centrifuge.disconnect();
    for (const value of values(5, 1)) await server.publish(channel('missed'), value);
    const subscribed = next<{ recovered: boolean }>(heard.subscription, 'subscribed');
    await client.connect();
    expect((await subscribed).recovered).toBe(true);
    expect(await heard.data(6)).toEqual(values(6));
  });

  test('a client that is gone is noticed at once', async () => {
    const client = await connected(server, flavour, 'ann', overHttp(server, transport));
    await client.subscribe(channel('gone'));
    client.centrifuge.disconnect();
    await until('nobody is subscribed', async () => {
      const { channels } = await server.api<{ channels: object }>('channels', { pattern: channel('gone') });
      return Object.keys(channels).length === 0;
    });
  });

  test('the library is told why it is disconnected', async () => {
    const client = await connected(server, flavour, `ends over ${name}`, overHttp(server, transport));
    const disconnected = next(client.centrifuge, 'disconnected');
    await server.api('disconnect', { user: `ends over ${name}`, disconnect: { code: 4500, reason: 'for a reason' } });
    expect(await disconnected).toMatchObject({ code: 4500, reason: 'for a reason' });
  });

  test('a refused token ends the connection for good', async () => {
    const client = newClient(server, flavour, 'ann', { ...overHttp(server, transport), token: 'x.y.z' });
    const disconnected = next(client.centrifuge, 'disconnected');
    client.centrifuge.connect();
    expect(await disconnected).toMatchObject({ code: 3500, reason: 'invalid token' });
  });
});

describe('a client that reads no more', () => {
  const TEXT = 'x'.repeat(32 << 10);

  /** Subscribed, and then silent. */
  async function slowClient(user: string, channel: string): Promise<Socket> {
    const socket = connectTcp(server.port, '127.0.0.1');
    const connect = JSON.stringify({ id: 1, connect: { token: connectionToken(user) } });
    const body = `${connect}\n${JSON.stringify({ id: 2, subscribe: { channel } })}`;
    socket.write(
      `POST /connection/http_stream HTTP/1.1\r\nHost: a\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    for (let text = ''; !text.includes('"id":2'); ) text += String((await once(socket, 'data'))[0]);
    socket.pause();
    return socket;
  }

  test('is closed before it costs memory, while the others get everything', async () => {
    const reader = await (await connected(server, json, 'reader', overHttp(server, 'http_stream'))).subscribe('flood');
    const slow = await slowClient('slow', 'flood');
    const isClosed = () => server.log.some(({ user, code }) => user === 'slow' && code === 3008);
    let count = 0;
    while (!isClosed()) {
      const commands = values(10, count).map((value) => ({
        publish: { channel: 'flood', data: { ...value, text: TEXT } },
      }));
      await server.call('batch', { commands });
      count += commands.length;
      await reader.data(count);
      // The kernels' buffers, the queue, and little else.
      expect(count * TEXT.length).toBeLessThan(64 << 20);
    }
    expect(reader.received.map(({ data }) => ({ n: (data as { n: number }).n }))).toEqual(values(count));
    // It finds it behind what the network had taken.
    expect(await rest(slow)).toContain('{"push":{"disconnect":{"code":3008,"reason":"slow"}}}\n\r\n0\r\n');
  });

  /** The end of what comes until the response is over. */
  function rest(socket: Socket): Promise<string> {
    let tail = '';
    return new Promise<string>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        tail = (tail + chunk.toString('latin1')).slice(-200);
        if (tail.endsWith('\r\n0\r\n\r\n')) resolve(tail);
      });
      socket.once('close', () => resolve(tail));
      socket.resume();
    }).finally(() => socket.destroy());
  }
});

describe('limits', () => {
  test('count streams as connections', async () => {
    const limited = await startServer({ ...config, client: { connection_limit: 1 }, workers: { count: 2 } });
    try {
      const client = await connected(limited, json, 'ann', overHttp(limited, 'http_stream'));
      const refused = await limited.request('POST', '/connection/sse', '{}');
      expect(refused.status).toBe(503);
      client.centrifuge.disconnect();
      await connected(limited, json, 'ann', overHttp(limited, 'sse'));
    } finally {
      await limited.stop();
    }
  });
});

test('a server that goes down says so, and the library tries again', async () => {
  const ending = await startServer({ ...config, workers: { count: 2 } });
  const clients = [
    await connected(ending, json, 'ann', overHttp(ending, 'http_stream')),
    await connected(ending, json, 'bob', overHttp(ending, 'sse')),
  ];
  const told = clients.map(({ centrifuge }) => next(centrifuge, 'connecting'));
  await ending.stop();
  for (const reason of await Promise.all(told)) expect(reason).toMatchObject({ code: 3001, reason: 'shutdown' });
});

describe('two nodes', () => {
  let redis: RedisServer;
  let one: TestServer;
  let two: TestServer;

  beforeAll(async () => {
    redis = await startRedis();
    const node = (name: string) =>
      startServer({
        ...config,
        node: { name },
        engine: { type: 'redis', redis: { address: [redis.url] } },
        workers: { count: 2 },
      });
    [one, two] = await Promise.all([node('one'), node('two')]);
    await until('the nodes know each other', async () => {
      const counts = [one, two].map(async (server) => (await server.api<{ nodes: object[] }>('info')).nodes.length);
      return (await Promise.all(counts)).every((count) => count === 2);
    });
    return async () => {
      await Promise.all([one.stop(), two.stop()]);
      await redis.stop();
    };
  });

  test.each(cases)('%s: commands may go to the other node', async (name, transport, flavour) => {
    const client = await connected(one, flavour, 'ann', overHttp(one, transport, two));
    const heard = await client.subscribe(`nodes over ${name}`);
    for (const value of values(10)) await client.centrifuge.publish(`nodes over ${name}`, flavour.encode(value));
    expect(await heard.data(10)).toEqual(values(10));
  });

  test('a command for a node that is not there is answered 404', async () => {
    const body = JSON.stringify({ node: 'nobody', session: '0.x', data: '{}' });
    expect((await two.request('POST', '/emulation', body)).status).toBe(404);
  });
});
