import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { credentials, status } from '@grpc/grpc-js';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import type { ServerTls } from '../../src/config/server-tls.js';
import { GrpcListener } from '../../src/grpc/listener.js';
import { Authority, type Issued } from '../support/certificates.js';
import { ApiClient, failure } from '../support/grpc.js';
import { until } from '../support/until.js';
import { listenerConfig, serveApi } from './serving.js';

const authority = new Authority();
const stranger = new Authority('somebody else');
const server = authority.issue('server');
const ca = Buffer.from(authority.cert);
afterAll(() => {
  authority.close();
  stranger.close();
});

const PUBLISH = { channel: 'a', data: Buffer.from('1') };

const pem = (path: string): Buffer => readFileSync(path);
const tls = ({ keyPath, certPath }: Issued, clientCa?: string): ServerTls => ({
  key: pem(keyPath),
  cert: pem(certPath),
  ...(clientCa !== undefined && { clientCa: Buffer.from(clientCa) }),
});

function clientOf(port: number, ...[roots, key, cert]: Parameters<typeof credentials.createSsl>): ApiClient {
  const client = new ApiClient(port, { credentials: credentials.createSsl(roots, key, cert) });
  onTestFinished(() => client.close());
  return client;
}

test('TLS', async () => {
  const { port, api } = await serveApi({}, {}, tls(server));
  expect(await clientOf(port, ca).call('Publish', PUBLISH)).toHaveProperty('result');
  expect((await failure(clientOf(port, Buffer.from(stranger.cert)).call('Publish', PUBLISH))).code).toBe(
    status.UNAVAILABLE,
  );
  expect((await failure(api.call('Publish', PUBLISH))).code).toBe(status.UNAVAILABLE);
});

test('mutual TLS: clients show a certificate of the configured authority', async () => {
  const { port } = await serveApi({}, {}, tls(server, authority.cert));
  const known = authority.issue('client');
  const unknown = stranger.issue('client');
  const withKnown = clientOf(port, ca, pem(known.keyPath), pem(known.certPath));
  expect(await withKnown.call('Publish', PUBLISH)).toHaveProperty('result');
  for (const client of [clientOf(port, ca), clientOf(port, ca, pem(unknown.keyPath), pem(unknown.certPath))])
    expect((await failure(client.call('Publish', PUBLISH))).code).toBe(status.UNAVAILABLE);
});

test('new connections get a new certificate, those that are there stay', async () => {
  const { port, listener } = await serveApi({}, {}, tls(server, authority.cert));
  const [known, unknown] = [authority.issue('client'), stranger.issue('client')];
  const knows = (root: Authority, { keyPath, certPath }: Issued) =>
    clientOf(port, Buffer.from(root.cert), pem(keyPath), pem(certPath));
  const old = knows(authority, known);
  expect(await old.call('Publish', PUBLISH)).toHaveProperty('result');
  listener.renew(tls(stranger.issue('server'), stranger.cert));
  expect(await old.call('Publish', PUBLISH)).toHaveProperty('result');
  expect(await knows(stranger, unknown).call('Publish', PUBLISH)).toHaveProperty('result');
  for (const [root, pair] of [
    [stranger, known],
    [authority, unknown],
  ] as const)
    expect((await failure(knows(root, pair).call('Publish', PUBLISH))).code).toBe(status.UNAVAILABLE);
});

test('an address that cannot be had is named', async () => {
  const { port } = await serveApi();
  const again = new GrpcListener('uni_grpc', listenerConfig({ port }), undefined);
  await expect(again.listen()).rejects.toThrow(`uni_grpc: cannot listen on 127.0.0.1:${port}: `);
});

test.each([
  ['', '127.0.0.1'],
  ['::1', '[::1]'],
  ['localhost', 'localhost'],
])('listens on %j, reached as %s', async (address, host) => {
  const { api } = await serveApi({ address }, { host });
  expect(await api.call('Publish', PUBLISH)).toHaveProperty('result');
});

test('a drained listener takes no more calls, and answers those it has', async () => {
  const { port, api, channels, listener } = await serveApi();
  channels.held = [];
  const answered = api.call('Publish', PUBLISH);
  await until('the call has come', () => channels.held!.length > 0);
  listener.drain();
  const closed = listener.close();
  await expect(
    new Promise((resolve, reject) => connect(port, 'localhost', () => resolve('')).once('error', reject)),
  ).rejects.toThrow('ECONNREFUSED');
  for (const end of channels.held) end();
  expect(await answered).toHaveProperty('result');
  await closed;
});

test('closed without that, it cuts calls off', async () => {
  const { api, channels, listener } = await serveApi();
  channels.held = [];
  const cut = failure(api.call('Publish', PUBLISH));
  await until('the call has come', () => channels.held!.length > 0);
  await listener.close();
  expect([status.UNAVAILABLE, status.CANCELLED]).toContain((await cut).code);
  // The answer to nobody does no harm.
  for (const end of channels.held) end();
});
