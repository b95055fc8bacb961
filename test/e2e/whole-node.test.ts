/** What counts for the whole node, whatever worker it happens on. */
import { once } from 'node:events';
import { beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { connected, json, newClient, next, protobuf, type SdkClient, values } from '../support/sdk.js';
import { startServer, type TestServer } from '../support/server.js';

const CONNECTIONS = 12;
const OF_A_USER = 3;

let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    client: { connection_limit: CONNECTIONS, user_connection_limit: OF_A_USER },
    channel: { without_namespace: { allow_subscribe_for_client: true, history_size: 100, history_ttl: '1m' } },
  });
  return () => server.stop();
});

interface Ended {
  code: number;
  reason: string;
}

const settled = (client: SdkClient): Promise<number> =>
  new Promise((resolve) => {
    client.centrifuge.once('connected', () => resolve(0));
    client.centrifuge.once('disconnected', ({ code }) => resolve(code));
    client.centrifuge.connect();
  });

interface NodeInfo {
  num_clients: number;
  num_users: number;
  num_channels: number;
  num_subs: number;
}

const info = async (): Promise<NodeInfo> => (await server.api<{ nodes: [NodeInfo] }>('info')).nodes[0];

/** Ends of connections are heard of after the fact. */
const untilClients = (count: number): Promise<void> =>
  expect.poll(async () => (await info()).num_clients, { interval: 10, timeout: 5000 }).toBe(count);

test('of connections of one user that come at once, as many are let in as may, and one more when one has gone', async () => {
  await untilClients(0);
  const clients = Array.from({ length: 2 * OF_A_USER }, (_, i) =>
    newClient(server, i % 2 === 0 ? json : protobuf, 'crowd'),
  );
  const codes = await Promise.all(clients.map(settled));
  expect(codes.filter((code) => code === 0)).toHaveLength(OF_A_USER);
  expect(codes.filter((code) => code === 3504)).toHaveLength(OF_A_USER);
  expect(await settled(newClient(server, json, 'another'))).toBe(0);

  await clients[codes.indexOf(0)]!.leave();
  await untilClients(OF_A_USER);
  expect(await settled(newClient(server, json, 'crowd'))).toBe(0);
  expect(await settled(newClient(server, json, 'crowd'))).toBe(3504);
});

test('with all connections taken, an upgrade is answered 503 until one is free', async () => {
  await untilClients(0);
  const clients = await Promise.all(
    Array.from({ length: CONNECTIONS }, (_, i) => connected(server, json, `user${i % 6}`)),
  );
  for (let i = 0; i < 5; i++) {
    const [, response] = (await once(
      new WebSocket(server.websocket).on('error', () => {}),
      'unexpected-response',
    )) as [unknown, { statusCode: number; resume(): void }];
    response.resume();
    expect(response.statusCode).toBe(503);
  }
  expect((await server.request('GET', '/health')).status).toBe(200);
  await clients[0]!.leave();
  await untilClients(CONNECTIONS - 1);
  expect(await settled(newClient(server, json, 'late'))).toBe(0);
});

test('info and channels count over all workers', async () => {
  await untilClients(0);
  const clients = await Promise.all(
    Array.from({ length: 8 }, (_, i) => connected(server, i % 2 ? json : protobuf, `user${i % 4}`)),
  );
  await Promise.all(clients.map((client) => client.subscribe('count-all')));
  await Promise.all(clients.slice(0, 3).map((client) => client.subscribe('count-some')));
  const counts = { num_clients: 8, num_users: 4, num_channels: 2, num_subs: 11 };
  // Four in turn are answered by four workers.
  for (let i = 0; i < 4; i++) {
    expect(await info()).toMatchObject(counts);
    expect(await server.api('channels')).toEqual({
      channels: { 'count-all': { num_clients: 8 }, 'count-some': { num_clients: 3 } },
    });
    expect(await server.api('channels', { pattern: '*-some' })).toEqual({
      channels: { 'count-some': { num_clients: 3 } },
    });
  }
  const gone = next<Ended>(clients[0]!.centrifuge, 'disconnected');
  await server.api('disconnect', { user: 'user0', client: clients[0]!.id });
  await gone;
  await untilClients(7);
  expect(await info()).toMatchObject({ num_clients: 7, num_users: 4, num_channels: 2, num_subs: 9 });
});

test('a batch is carried out in order', async () => {
  const commands: object[] = values(40).map((data) => ({ publish: { channel: 'batch', data } }));
  commands.splice(20, 0, { history: { channel: 'batch', limit: -1 } });
  commands.push({ history: { channel: 'batch', limit: -1 } });
  const { replies } = (await server.call('batch', { commands })) as unknown as {
    replies: { publish?: { offset: number }; history?: { publications: { data: { n: number } }[] } }[];
  };
  expect(replies).toHaveLength(42);
  const offsets = replies.flatMap(({ publish }) => publish?.offset ?? []);
  expect(offsets).toEqual(values(40).map(({ n }) => n + 1));
  const [half, whole] = replies.flatMap(({ history }) => (history === undefined ? [] : [history.publications]));
  expect(half!.map(({ data }) => data)).toEqual(values(20));
  expect(whole!.map(({ data }) => data)).toEqual(values(40));
});
