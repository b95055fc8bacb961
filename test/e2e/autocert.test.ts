/** Certificates that the server gets from an authority, by itself and in time. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { AcmeServer } from '../support/acme-server.js';
import { Authority } from '../support/certificates.js';
import { type ConfigPart, TestServer } from '../support/server.js';
import { until } from '../support/until.js';

const HOSTS = ['chat.example.org', 'example.org'];

let authority: Authority;
let acme: AcmeServer;
beforeAll(() => {
  authority = new Authority();
});
afterAll(() => authority.close());
beforeEach(async () => {
  acme = await AcmeServer.start(authority);
  return () => acme.close();
});

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'gyre-autocert-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

async function start(cache_dir: string, more: ConfigPart = {}): Promise<TestServer> {
  const tls_autocert = {
    enabled: true,
    host_whitelist: HOSTS,
    cache_dir,
    http: true,
    http_addr: '127.0.0.1:0',
    directory_url: acme.directoryUrl,
  };
  const config = { workers: { count: 2 }, http_server: { tls_autocert, ...more } };
  const server = new TestServer(config, { ca: authority.cert });
  onTestFinished(() => server.stop());
  acme.challengePort = server
    .logged(({ msg }) => msg.startsWith('ACME challenges are answered'))
    .then(({ port }) => port as number);
  await server.started();
  return server;
}

/** The serial number of the certificate that a client is shown; undefined when the handshake fails. */
async function shown(server: TestServer, servername = HOSTS[0]!): Promise<string | undefined> {
  const socket = connect({ port: server.port, host: '127.0.0.1', servername, ca: authority.cert });
  const result = await Promise.race([
    once(socket, 'secureConnect').then(() => socket.getPeerCertificate().serialNumber),
    once(socket, 'close').then(() => undefined),
  ]).catch(() => undefined);
  socket.destroy();
  return result;
}

const isServed = (server: TestServer): Promise<void> =>
  until('a certificate', async () => (await shown(server)) !== undefined);

test('at the first start it is asked for, at the next it is in the cache', async () => {
  const cache = join(temporaryDirectory(), 'cache');
  const server = await start(cache);
  await isServed(server);
  const serial = await shown(server);
  expect(await shown(server, HOSTS[1])).toBe(serial);
  expect(acme.orders.map(({ hosts }) => hosts)).toEqual([HOSTS]);
  expect(readdirSync(cache).sort()).toEqual(['acme_account+key', HOSTS[0]]);
  expect(statSync(cache).mode & 0o777).toBe(0o700);

  const redirect = await fetch(`http://127.0.0.1:${await acme.challengePort}/x`, { redirect: 'manual' });
  expect([redirect.status, redirect.headers.get('location')]).toEqual([302, 'https://127.0.0.1/x']);
  await server.stop();

  const again = await start(cache);
  expect(await shown(again)).toBe(serial);
  expect(acme.orders).toHaveLength(1);
});

test('a new one comes before the old one ends, and connections stay', async () => {
  // So that a third of its life is left in a few seconds.
  acme.validity = { from: -200_000, to: 106_000 };
  const server = await start(temporaryDirectory());
  await isServed(server);
  acme.validity = {};
  const first = await shown(server);
  const kept: TLSSocket = connect({ port: server.port, host: '127.0.0.1', servername: HOSTS[0]!, ca: authority.cert });
  onTestFinished(() => void kept.destroy());
  await once(kept, 'secureConnect');

  await until('another certificate', async () => ![undefined, first].includes(await shown(server)));
  expect(acme.orders).toHaveLength(2);
  expect(acme.accounts).toHaveLength(1);
  kept.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(String((await once(kept, 'data'))[0])).toContain('200 OK');
});

test('an expired one in the cache is replaced at the start', async () => {
  const cache = temporaryDirectory();
  const { key, cert } = authority.issue(HOSTS[0]!, {
    names: HOSTS.map((host) => `DNS:${host}`).join(),
    from: -120_000,
    to: -60_000,
  });
  writeFileSync(join(cache, HOSTS[0]!), key + cert);
  await isServed(await start(cache));
  expect(acme.orders).toHaveLength(1);
});

test('without one the server is there all the same: handshakes fail, what has no TLS works', async () => {
  acme.refusing = true;
  const server = await start(temporaryDirectory(), { internal_port: '0', tls_external: true });
  const { level } = await server.logged(({ msg }) => msg.startsWith('no certificate from the authority: '));
  expect(level).toBe(50);
  expect(await shown(server)).toBeUndefined();
  expect((await server.request('GET', '/health')).status).toBe(200);
});
