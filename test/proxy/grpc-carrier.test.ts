/** What is peculiar to gRPC, besides contract.test.ts. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { ServerCredentials, status } from '@grpc/grpc-js';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { askConnect, askRpc } from '../../src/proxy/events.js';
import { RUNNING_MAX_REQUESTS } from '../../src/proxy/gate.js';
import { CONNECTION_MAX_CALLS, MESSAGE_MAX_BYTES } from '../../src/proxy/grpc-backend.js';
import { about, type Logged, proxyTo } from '../support/asking.js';
import { Authority, type Issued } from '../support/certificates.js';
import { GrpcApplication } from '../support/grpc-application.js';
import { startProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const ask = { method: 'm' };
const fine = { result: {} };
const failed = { failed: true };

test('an endpoint is host and port, with grpc:// or without', async () => {
  const { url, port } = await GrpcApplication.start();
  for (const endpoint of [url, `${url}/`, `127.0.0.1:${port}`, `localhost:${port}`]) {
    expect(await askRpc(await proxyTo(endpoint), about(), ask)).toEqual(fine);
  }
});

test('any status but OK is a failure, and in the log', async () => {
  const application = await GrpcApplication.start();
  const logged: Logged[] = [];
  const proxy = await proxyTo(application.url, {}, logged);
  application.answer = () => ({ grpc: status.PERMISSION_DENIED, details: 'go away' });
  expect(await askRpc(proxy, about(), ask)).toEqual(failed);
  expect(logged[0]!.fields).toMatchObject({ proxy: 'rpc.proxy', reason: 'go away', code: 'PERMISSION_DENIED' });
});

test('data goes as it is, JSON or not', async () => {
  const application = await GrpcApplication.start();
  const data = Buffer.from([0xff, 0, 1]);
  application.answer = ({ body }) => ({ result: { data: body.data } });
  const proxy = await proxyTo(application.url);
  const who = about({ codec: { name: 'protobuf' } });
  const answer = (await askRpc(proxy, who, { method: 'm', data })) as { result: { data: Buffer } };
  expect(answer.result.data).toEqual(data);
});

test('meta has to be JSON', async () => {
  const application = await GrpcApplication.start();
  application.answer = () => ({ result: { meta: Buffer.from('{') } });
  const request = { token: '', name: '', version: '', flag: 0 };
  expect(await askConnect(await proxyTo(application.url), about(), request)).toEqual(failed);
});

test('a message without end is cut', async () => {
  const application = await GrpcApplication.start();
  application.answer = () => ({ result: { data: Buffer.alloc(MESSAGE_MAX_BYTES + 1, ' ') } });
  const logged: Logged[] = [];
  expect(await askRpc(await proxyTo(application.url, {}, logged), about(), ask)).toEqual(failed);
  expect(logged[0]!.fields.code).toBe('RESOURCE_EXHAUSTED');
});

describe('metadata', () => {
  test('credentials are always ours, and what belongs to the call is not passed on', async () => {
    const application = await GrpcApplication.start();
    const names = ['Authorization', 'User-Agent', 'grpc-timeout', 'x'];
    const transport = { authorization: 'client', 'user-agent': 'client', 'grpc-timeout': 'client', x: '1' };
    const grpc = { credentials_key: 'Authorization', credentials_value: 'Bearer ours' };
    const proxy = await proxyTo(application.url, { http_headers: names, emulated_headers: names, grpc });
    expect(await askRpc(proxy, about({ headers: { transport, emulated: transport } }), ask)).toEqual(fine);
    const { headers } = application.questions[0]!;
    expect(headers).toMatchObject({ authorization: 'Bearer ours', x: '1' });
    expect(Object.values(headers)).not.toContain('client');
  });

  test('a name that ends in -bin has bytes', async () => {
    const application = await GrpcApplication.start();
    const proxy = await proxyTo(application.url, { http_headers: ['trace-bin'] });
    const headers = { transport: { 'trace-bin': 'Zoë' }, emulated: {} };
    await askRpc(proxy, about({ headers }), ask);
    expect(String(application.questions[0]!.headers['trace-bin'])).toBe('Zoë');
  });
});

test('calls share connections, so many each', async () => {
  const application = await GrpcApplication.start();
  application.hold();
  const proxy = await proxyTo(application.url);
  const answers = Array.from({ length: RUNNING_MAX_REQUESTS }, () => askRpc(proxy, about(), ask));
  await until('all are asked', () => application.waiting === RUNNING_MAX_REQUESTS);
  expect(application.peers.size).toBe(Math.ceil(RUNNING_MAX_REQUESTS / CONNECTION_MAX_CALLS));
  application.release();
  await Promise.all(answers);
});

test('two proxies to one endpoint share nothing', async () => {
  const application = await GrpcApplication.start();
  for (let i = 0; i < 2; i++) await askRpc(await proxyTo(application.url), about(), ask);
  expect(application.peers.size).toBe(2);
});

test('nobody there: refused at once, and works as soon as there is somebody', async () => {
  const application = await GrpcApplication.start();
  const { port, url } = application;
  const proxy = await proxyTo(url, { timeout: '15s' });
  expect(await askRpc(proxy, about(), ask)).toEqual(fine);
  await application.close();
  await until('it is noticed', async () => 'failed' in (await askRpc(proxy, about(), ask)));
  await GrpcApplication.start(port);
  await until('it works again', async () => 'result' in (await askRpc(proxy, about(), ask)));
});

test('a connection that has died in silence is given up after one call', async () => {
  const application = await GrpcApplication.start();
  const network = await startProxy(application.port);
  onTestFinished(() => network.close());
  const proxy = await proxyTo(`127.0.0.1:${network.port}`, { timeout: '300ms' });
  await until('it works', async () => 'result' in (await askRpc(proxy, about(), ask)));
  network.abandon();
  expect(await askRpc(proxy, about(), ask)).toEqual(failed);
  await until('it works again', async () => 'result' in (await askRpc(proxy, about(), ask)));
});

describe('compression', () => {
  test('messages are understood', async () => {
    const application = await GrpcApplication.start();
    const data = Buffer.from(`"${'x'.repeat(10_000)}"`);
    application.answer = ({ body }) => ({ result: { data: body.data } });
    const proxy = await proxyTo(application.url, { grpc: { compression: true } });
    const answer = (await askRpc(proxy, about(), { method: 'm', data })) as { result: { data: Buffer } };
    expect(answer.result.data).toEqual(data);
  });

  test.each([
    [false, undefined],
    [true, 'gzip'],
  ])('%s is %s on the wire', async (compression, encoding) => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const heard = once(server, 'stream');
    const proxy = await proxyTo(`127.0.0.1:${(server.address() as AddressInfo).port}`, { grpc: { compression } });
    const asked = askRpc(proxy, about(), ask);
    const [stream, headers] = (await heard) as [ServerHttp2Stream, IncomingHttpHeaders];
    expect(headers['grpc-encoding']).toBe(encoding);
    expect(headers['grpc-timeout']).toBe('5000m');
    stream.respond({ ':status': 404 }, { endStream: true });
    expect(await asked).toEqual(failed);
  });
});

describe('TLS', () => {
  const [authority, another] = [new Authority(), new Authority()];
  const server = authority.issue('server', { names: 'DNS:application,IP:127.0.0.1' });
  const trusting = { enabled: true, server_ca_pem: authority.certPath };
  afterAll(() => {
    authority.close();
    another.close();
  });

  const secured = (clients = false) => {
    const pair = { private_key: Buffer.from(server.key), cert_chain: Buffer.from(server.cert) };
    return ServerCredentials.createSsl(Buffer.from(authority.cert), [pair], clients);
  };
  const askWith = async (application: GrpcApplication, tls: object) =>
    askRpc(await proxyTo(application.url, { grpc: { tls } }), about(), ask);

  test('a certificate that the configuration trusts, or no check where it says so', async () => {
    const application = await GrpcApplication.start(0, secured());
    const named = { ...trusting, server_name: 'application' };
    for (const tls of [trusting, named, { enabled: true, insecure_skip_verify: true }]) {
      expect(await askWith(application, tls)).toEqual(fine);
    }
  });

  test('another is a failure, and so is none', async () => {
    const application = await GrpcApplication.start(0, secured());
    const others = { enabled: true, server_ca_pem: another.certPath };
    for (const tls of [{}, { enabled: true }, others, { ...trusting, server_name: 'elsewhere' }]) {
      expect(await askWith(application, tls)).toEqual(failed);
    }
    expect(application.questions).toEqual([]);
  });

  test('the server may want a certificate, too', async () => {
    const application = await GrpcApplication.start(0, secured(true));
    const by = ({ keyPath, certPath }: Issued) => ({ ...trusting, key_pem: keyPath, cert_pem: certPath });
    expect(await askWith(application, by(authority.issue('gyre')))).toEqual(fine);
    expect(await askWith(application, by(another.issue('gyre')))).toEqual(failed);
    expect(await askWith(application, trusting)).toEqual(failed);
  });
});
