import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { configSchema } from '../../src/config/config.js';
import { askRpc } from '../../src/proxy/events.js';
import { NO_HEADERS } from '../../src/proxy/headers.js';
import { Proxies } from '../../src/proxy/proxies.js';

const dir = mkdtempSync(join(tmpdir(), 'gyre-proxy-tls-'));
const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
let server: Server;

beforeAll(async () => {
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=application';
  const files = ['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert];
  execFileSync('openssl', [...request.split(' '), ...files], { stdio: 'ignore' });
  server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (incoming, response) => {
    incoming.resume().once('end', () => response.end('{"result":{"data":1}}'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterAll(async () => {
  rmSync(dir, { recursive: true });
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

async function ask(tls: object): Promise<{ answer: object; reasons: unknown[] }> {
  const endpoint = `https://127.0.0.1:${(server.address() as AddressInfo).port}/rpc`;
  const config = configSchema.parse({
    rpc: { proxy: { endpoint, timeout: '5s', http: { tls } }, without_namespace: { proxy_enabled: true } },
  });
  const reasons: unknown[] = [];
  const proxies = new Proxies(config, {
    error: (fields) => reasons.push((fields as { code: string }).code),
    info() {},
  });
  onTestFinished(() => proxies.close());
  const who = { id: 'c', user: '', transport: 'websocket', codec: { name: 'json' as const }, meta: undefined };
  return { answer: await askRpc(proxies.get('rpc')!, { ...who, headers: NO_HEADERS }, { method: 'm' }), reasons };
}

test('a certificate that the configuration trusts, or no check where it says so', async () => {
  for (const tls of [{ server_ca_pem: cert }, { insecure_skip_verify: true }]) {
    expect(await ask({ enabled: true, ...tls })).toMatchObject({ answer: { result: {} }, reasons: [] });
  }
});

test('another is a failure', async () => {
  for (const tls of [{}, { enabled: true }, { enabled: true, server_ca_pem: cert, server_name: 'elsewhere' }]) {
    const { answer, reasons } = await ask(tls);
    expect(answer).toEqual({ failed: true });
    expect(['DEPTH_ZERO_SELF_SIGNED_CERT', 'ERR_TLS_CERT_ALTNAME_INVALID']).toContain(reasons[0]);
  }
});
