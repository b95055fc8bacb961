/** What is served over gRPC by a node of two workers. */
import { status } from '@grpc/grpc-js';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { Application, type Question } from '../support/application.js';
import { ApiClient, failure, UniClient, type UniStream } from '../support/grpc.js';
import { connected, connectionToken, json } from '../support/sdk.js';
import { type ConfigPart, type LogLine, type StartOptions, startServer, TestServer } from '../support/server.js';
import { until } from '../support/until.js';

vi.setConfig({ testTimeout: 60_000 });

const KEY = 'the gRPC key';
const WORKERS = 2;
const CHANNEL = 'news';
const channelOptions = {
  allow_subscribe_for_client: true,
  history_size: 100,
  history_ttl: '1m',
  force_recovery: true,
  presence: true,
};

const UPGRADE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

const listener = { enabled: true, address: '127.0.0.1' };
const portOf = (section: string): string => `CENTRIFUGO_${section.toUpperCase()}_PORT`;
// Any free one: in a file it would mean the default.
beforeEach(() => {
  for (const section of ['grpc_api', 'uni_grpc']) vi.stubEnv(portOf(section), '0');
  return () => vi.unstubAllEnvs();
});

const isApi = ({ msg }: LogLine): boolean => msg === 'the server API is served over gRPC';
const isUni = ({ msg }: LogLine): boolean => msg === 'unidirectional clients are served over gRPC';

async function start(config: ConfigPart = {}, options: StartOptions = {}) {
  const server = await startServer(
    {
      log: { level: 'debug' },
      workers: { count: WORKERS },
      channel: { without_namespace: channelOptions },
      grpc_api: { ...listener, key: KEY },
      uni_grpc: listener,
      ...config,
    },
    options,
  );
  onTestFinished(() => server.stop());
  const [api, uni] = [await server.logged(isApi), await server.logged(isUni)];
  return { server, api: apiClient(api), uni: uniClient(uni) };
}

function apiClient({ port }: LogLine): ApiClient {
  const client = new ApiClient(port as number, { metadata: { authorization: `apikey ${KEY}` } });
  onTestFinished(() => client.close());
  return client;
}

function uniClient({ port }: LogLine): UniClient {
  const client = new UniClient(port as number);
  onTestFinished(() => client.close());
  return client;
}

const publish = (api: ApiClient, n: number): Promise<unknown> =>
  api.call('Publish', { channel: CHANNEL, data: Buffer.from(JSON.stringify({ n })) });
const offsets = ({ pushes }: UniStream): number[] => pushes.flatMap(({ pub }) => (pub === undefined ? [] : pub.offset));
const request = (user: string, subscribe: object = {}): object => ({
  token: connectionToken(user),
  subs: { [CHANNEL]: subscribe },
});

test('the API reaches the clients of all workers', async () => {
  const { server, api } = await start();
  const clients = [];
  for (let i = 0; i < 2 * WORKERS; i++) clients.push(await connected(server, json, `user${i}`));
  const subscriptions = await Promise.all(clients.map((client) => client.subscribe(CHANNEL)));
  for (let n = 0; n < 10; n++) await publish(api, n);
  for (const subscription of subscriptions) expect(await subscription.data(10)).toHaveLength(10);

  const { presence } = (await api.call('Presence', { channel: CHANNEL })).result;
  expect(Object.keys(presence).sort()).toEqual(clients.map(({ id }) => id).sort());
  expect((await api.call('Channels')).result.channels).toEqual({ [CHANNEL]: { num_clients: 2 * WORKERS } });
  const [node] = (await api.call('Info')).result.nodes;
  expect(node).toMatchObject({ num_clients: 2 * WORKERS, num_subs: 2 * WORKERS });
  const { publications, offset } = (await api.call('History', { channel: CHANNEL, limit: 2, reverse: true })).result;
  expect([offset, publications[0].data.toString()]).toEqual([10, '{"n":9}']);
  expect((await failure(api.call('Info', {}, { authorization: 'apikey wrong' }))).code).toBe(status.UNAUTHENTICATED);
});

test('a unidirectional client hears, misses, recovers, is disconnected, or refused', async () => {
  const { api, uni } = await start();
  const first = uni.consume(request('u'));
  const { connect } = await first.push(0);
  const { epoch } = connect.subs[CHANNEL];
  for (let n = 1; n <= 3; n++) await publish(api, n);
  await until('all of it', () => offsets(first).length === 3);
  expect(offsets(first)).toEqual([1, 2, 3]);
  first.call.cancel();

  for (let n = 4; n <= 5; n++) await publish(api, n);
  const second = uni.consume(request('u', { recover: true, epoch, offset: 3 }));
  const back = (await second.push(0)).connect;
  expect(back.subs[CHANNEL]).toMatchObject({ recovered: true, was_recovering: true });
  expect(back.subs[CHANNEL].publications.map((pub: { offset: number }) => pub.offset)).toEqual([4, 5]);
  await publish(api, 6);
  await until('the next', () => offsets(second).length === 1);
  expect(offsets(second)).toEqual([6]);
  await until('the first has left', async () => {
    const { presence } = (await api.call('Presence', { channel: CHANNEL })).result;
    return Object.keys(presence).join() === back.client;
  });

  await api.call('Unsubscribe', { user: 'u', channel: CHANNEL });
  await second.find('the end of the subscription', ({ unsubscribe }) => unsubscribe?.code === 2000);
  await api.call('Disconnect', { user: 'u', disconnect: { code: 4001, reason: 'bye' } });
  expect((await second.status).code).toBe(status.OK);
  expect(second.pushes.at(-1)).toEqual({ disconnect: { code: 4001, reason: 'bye' } });

  const refused = uni.consume({ token: 'not a token' });
  expect((await refused.status).code).toBe(status.OK);
  expect(refused.pushes).toEqual([{ disconnect: { code: 3500, reason: 'invalid token' } }]);
});

test('the application is asked, with the metadata that is to be passed on', async () => {
  const application = await Application.start();
  application.answer = () => ({ result: { user: 'ann' } });
  const connect = { enabled: true, endpoint: application.endpoint('connect'), grpc_metadata: ['X-Tenant'] };
  const { uni } = await start({ client: { proxy: { connect } } });
  const stream = uni.consume({ name: 'n', data: Buffer.from('{"d":1}') }, { 'x-tenant': 't1', 'x-other': 'o' });
  expect((await stream.push(0)).connect.client).not.toBe('');
  const [{ headers, body }] = application.questions as [Question];
  expect(body).toMatchObject({ transport: 'uni_grpc', protocol: 'protobuf', data: { d: 1 }, name: 'n' });
  expect(headers['x-tenant']).toBe('t1');
  expect(headers).not.toHaveProperty('x-other');
});

test('pings keep coming, and need no answer', async () => {
  const { uni } = await start({ client: { ping_interval: '1s', pong_timeout: '500ms' } });
  const stream = uni.consume(request('u'));
  expect((await stream.push(0)).connect.ping).toBe(1);
  await until('pings', () => stream.pushes.filter((push) => Object.keys(push).length === 0).length >= 3);
});

test('a client that stops reading is closed as slow, the next to it hears everything', async () => {
  const { server, api, uni } = await start({
    client: { queue_max_size: 1 << 20 },
    // So that the queue decides who is slow.
    websocket: { write_timeout: '60s' },
  });
  const slow = uni.consume(request('slow'));
  const other = uni.consume(request('other'));
  await Promise.all([slow.push(0), other.push(0)]);
  slow.call.pause();
  const closed = server.logged(({ code, user }) => code === 3008 && user === 'slow');
  const data = Buffer.from(JSON.stringify('x'.repeat(64 << 10)));
  let published = 0;
  for (let over = false; !over && published < 1000; published++) {
    await api.call('Publish', { channel: CHANNEL, data });
    await until('the other has it', () => offsets(other).length === published + 1);
    over = server.log.some(({ code }) => code === 3008);
  }
  await closed;
  // It is told so, but does not listen: then it is cut off.
  slow.call.resume();
  const { code } = await slow.status;
  if (code === status.OK) expect(slow.pushes.at(-1)).toEqual({ disconnect: { code: 3008, reason: 'slow' } });
  else expect(code).toBe(status.CANCELLED);
  const seen = offsets(slow);
  expect(seen).toEqual(Array.from(seen, (_, i) => i + 1));
  expect(offsets(other)).toHaveLength(published);
});

test('connections count as others do', async () => {
  const { server, uni } = await start({ client: { connection_limit: 1 } });
  const first = uni.consume(request('u'));
  await first.push(0);
  const full = uni.consume(request('u'));
  expect((await full.status).code).toBe(status.UNAVAILABLE);
  const upgrade = await server.request('GET', '/connection/websocket', undefined, UPGRADE);
  expect(upgrade.status).toBe(503);
  first.call.cancel();
  await until('room again', async () => {
    const next = uni.consume(request('u'));
    const admitted = next.push(0).then(() => true);
    return Promise.race([admitted, next.status.then(() => false)]);
  });
});

test('at the end clients are told, and the process ends', async () => {
  const { server, uni } = await start();
  const stream = uni.consume(request('u'));
  await stream.push(0);
  server.signal('SIGTERM');
  expect((await stream.status).code).toBe(status.OK);
  expect(stream.pushes.at(-1)).toEqual({ disconnect: { code: 3001, reason: 'shutdown' } });
  expect(await server.exited).toBe(0);
});

test('with the worker that serves it, gRPC is replaced', async () => {
  const { server, uni, api } = await start({}, { faults: true });
  const stream = uni.consume(request('u'));
  await stream.push(0);
  const again = [server.nextLogged(isApi), server.nextLogged(isUni)] as const;
  await server.inflict('throw', WORKERS - 1);
  expect((await stream.status).code).not.toBe(status.OK);
  const [apiLine, uniLine] = await Promise.all(again);
  await server.logged(({ msg }) => msg === 'worker replaced');
  const next = uniClient(uniLine).consume(request('u'));
  await next.push(0);
  await publish(apiClient(apiLine), 1);
  await until('the publication', () => offsets(next).length === 1);
  expect((await failure(api.call('Info'))).code).toBe(status.UNAVAILABLE);
});

test('a port that is in use ends the start, in one line', async () => {
  const { server } = await start();
  for (const [section, line] of Object.entries({ grpc_api: isApi, uni_grpc: isUni })) {
    const { port } = await server.logged(line);
    vi.stubEnv(portOf(section), String(port));
    const second = new TestServer({ [section]: listener }, {});
    await expect(second.started()).rejects.toThrow(`${section}: cannot listen on 127.0.0.1:${port}: listen EADDRINUSE`);
    expect(await second.exited).toBe(1);
  }
});
