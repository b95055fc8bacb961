/** The server with certificates of its own, and the official client library over TLS. */
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';
import { Application } from '../support/application.js';
import { Authority, type Issued } from '../support/certificates.js';
import { begin, UNI_TRANSPORTS } from '../support/listener.js';
import { connected, json, overHttp, protobuf } from '../support/sdk.js';
import { API_KEY, type ConfigPart, startServer, type TestServer } from '../support/server.js';
import { until } from '../support/until.js';

const channels: ConfigPart = {
  workers: { count: 2 },
  http_stream: { enabled: true },
  sse: { enabled: true },
  channel: { without_namespace: { allow_subscribe_for_client: true, allow_publish_for_subscriber: true } },
};

let authority: Authority;
let pair: Issued;
beforeAll(() => {
  authority = new Authority();
  pair = authority.issue('first');
});
afterAll(() => authority.close());

const EXPIRED = { from: -120_000, to: -60_000 };

const files = ({ certPath, keyPath }: Issued) => ({ enabled: true, cert_pem: certPath, key_pem: keyPath });

async function start(http: ConfigPart, more: ConfigPart = {}): Promise<TestServer> {
  const server = await startServer({ http_server: http, ...channels, ...more }, { ca: authority.cert });
  onTestFinished(() => server.stop());
  return server;
}

/** The status of a request, or the code of the error that it ends with. */
function get(url: string, options: ConnectionOptions = {}, headers: Record<string, string> = {}): Promise<unknown> {
  return new Promise((resolve) => {
    const sent = request(url, { ca: authority.cert, headers, agent: false, ...options }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    });
    sent.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    sent.end();
  });
}

/** A connection, with the name of the certificate it was shown. */
async function secureSocket(server: Pick<TestServer, 'port'>): Promise<{ socket: TLSSocket; shown: string }> {
  const socket = connectTls({ port: server.port, host: '127.0.0.1', ca: authority.cert });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  return { socket, shown: String(socket.getPeerCertificate().subject.CN) };
}

const shownBy = async (server: Pick<TestServer, 'port'>): Promise<string> => {
  const { socket, shown } = await secureSocket(server);
  socket.destroy();
  return shown;
};

/** Whether each of several connections in turn, of which every worker gets one, is shown this certificate. */
async function allShow(server: TestServer, name: string): Promise<boolean> {
  const shown = await Promise.all(Array.from({ length: 8 }, () => shownBy(server)));
  return shown.every((one) => one === name);
}

describe('clients over TLS', () => {
  let server: TestServer;
  beforeAll(async () => {
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    const tls = { enabled: true, cert_pem: pair.cert, key_pem: base64(pair.key) };
    server = await startServer({ http_server: { tls }, ...channels }, { ca: authority.cert });
    return () => server.stop();
  });

  test.each([json, protobuf])('WebSocket in $name', async (flavour) => {
    const client = await connected(server, flavour, 'ann');
    const heard = await client.subscribe(`chat in ${flavour.name}`);
    await client.centrifuge.publish(heard.subscription.channel, flavour.encode({ n: 1 }));
    await server.publish(heard.subscription.channel, { n: 2 });
    expect(await heard.data(2)).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test.each([
    ['HTTP streaming', 'http_stream'],
    ['Server-Sent Events', 'sse'],
  ] as const)('%s', async (name, transport) => {
    const client = await connected(server, json, 'ann', overHttp(server, transport));
    const heard = await client.subscribe(`chat over ${name}`);
    for (let n = 0; n < 8; n++) await client.centrifuge.publish(heard.subscription.channel, { n });
    expect(await heard.data(8)).toEqual(Array.from({ length: 8 }, (_, n) => ({ n })));
  });

  test('large messages come whole', async () => {
    const client = await connected(server, json, 'ann');
    const heard = await client.subscribe('large');
    const text = 'é'.repeat(400_000);
    await server.publish('large', { text });
    expect(await heard.data(1)).toEqual([{ text }]);
  });

  test('the log says where to connect', async () => {
    const { port } = server;
    const line = await server.logged(({ msg }) => msg.startsWith('listening on '));
    expect(line.msg).toBe(`listening on https://127.0.0.1:${port}, wss://127.0.0.1:${port}: clients, API`);
  });

  test('who does not speak TLS, or an old version of it, is closed and disturbs nobody', async () => {
    const plain = connectTcp(server.port, '127.0.0.1');
    plain.on('error', () => {}).write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    plain.resume();
    await once(plain, 'close');
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    expect(await get(`${server.http}/health`, old)).toBe('EPROTO');
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      expect(await get(`${server.http}/health`, { minVersion: version, maxVersion: version })).toBe(200);
    }
  });

  test('no key is left behind in a file', () => {
    for (const directory of ['/dev/shm', tmpdir()]) {
      expect(readdirSync(directory).filter((name) => name.startsWith(`gyre-tls-${server.pid}-`))).toEqual([]);
    }
  });
});

describe('what a proxy in front says of a client', () => {
  test.each([
    ['without TLS', false],
    ['with TLS', true],
  ])('is told to the application, %s', async (_, secure) => {
    const application = await Application.start();
    application.answer = () => ({ result: { user: 'ann' } });
    const http_headers = ['X-Forwarded-For', 'X-Forwarded-Proto'];
    const server = await start(secure ? { tls: files(pair) } : {}, {
      client: { proxy: { connect: { enabled: true, endpoint: application.endpoint('connect'), http_headers } } },
      ...Object.fromEntries(UNI_TRANSPORTS.map((transport) => [transport, { enabled: true }])),
    });
    const headers = { 'X-Forwarded-For': '203.0.113.7, 10.0.0.1', 'X-Forwarded-Proto': 'https' };
    for (const transport of UNI_TRANSPORTS) await begin(server, transport, {}, headers).push('connect');
    expect(application.questions.map(({ body }) => body.transport)).toEqual(UNI_TRANSPORTS);
    for (const question of application.questions) {
      expect(question.headers).toMatchObject({
        'x-forwarded-for': '203.0.113.7, 10.0.0.1',
        'x-forwarded-proto': 'https',
      });
    }
  });
});

describe('an internal port', () => {
  const paths = (server: TestServer) => ({
    external: { api: `${server.http}/api/info`, health: `${server.http}/health` },
    internal: { api: `${server.internal}/api/info`, ws: `${server.internal}/connection/websocket` },
  });
  const status = async (url: string) =>
    (await fetch(url, { method: 'POST', body: '{}', headers: { 'X-API-Key': API_KEY } })).status;

  test('has what clients need not reach, and they have a port of their own', async () => {
    const server = await start({ internal_port: '0' });
    expect(server.internal).not.toBe(server.http);
    const { external, internal } = paths(server);
    expect([await status(external.api), await status(external.health)]).toEqual([404, 404]);
    expect([await status(internal.api), await status(internal.ws)]).toEqual([200, 404]);
    expect((await server.request('GET', '/health')).status).toBe(200);
    const client = await connected(server, json, 'ann');
    const heard = await client.subscribe('news');
    await server.publish('news', { n: 1 });
    expect(await heard.data(1)).toEqual([{ n: 1 }]);
  });

  test('the API is with the clients where the configuration says so', async () => {
    const server = await start({ internal_port: '0' }, { http_api: { external: true } });
    const { external, internal } = paths(server);
    expect([await status(external.api), await status(internal.api)]).toEqual([200, 404]);
  });

  test('without TLS where it is for the outside only', async () => {
    const server = await start({ internal_port: '0', tls: files(pair), tls_external: true });
    expect([server.http.split(':')[0], server.internal.split(':')[0]]).toEqual(['https', 'http']);
    const heard = await (await connected(server, json, 'ann')).subscribe('news');
    await server.publish('news', { n: 1 });
    expect(await heard.data(1)).toEqual([{ n: 1 }]);
  });

  test('with a certificate of its own, and clients that need one', async () => {
    const inside = authority.issue('inside');
    const internal_tls = { ...files(inside), client_ca_pem: authority.certPath };
    const server = await start({ internal_port: '0', internal_tls });
    expect([server.http.split(':')[0], server.internal.split(':')[0]]).toEqual(['http', 'https']);
    expect(await get(`${server.internal}/health`)).toBe(400);
    const { cert, key } = authority.issue('a program');
    expect(await get(`${server.internal}/health`, { cert, key })).toBe(200);
    await connected(server, json, 'ann');
  });
});

describe('certificates of clients', () => {
  let server: TestServer;
  let good: Issued;
  beforeAll(async () => {
    good = authority.issue('client');
    const tls = { ...files(pair), client_ca_pem: authority.cert };
    server = await startServer({ http_server: { tls }, ...channels }, { ca: authority.cert });
    return () => server.stop();
  });

  const open = (options: ClientOptions): Promise<unknown> => {
    const socket = new WebSocket(server.websocket, { ca: authority.cert, ...options });
    return new Promise((resolve) => {
      socket.once('open', () => {
        socket.terminate();
        resolve('open');
      });
      socket.once('unexpected-response', (_, response) => {
        response.resume();
        resolve(response.statusCode);
      });
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    });
  };

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('by %s', async (version) => {
    const versions = { minVersion: version, maxVersion: version };
    const foreign = new Authority('another authority');
    onTestFinished(() => foreign.close());
    const health = (options: object) => get(`${server.http}/health`, { ...options, ...versions });
    const { cert, key } = good;
    expect([await health({ cert, key }), await open({ cert, key, ...versions })]).toEqual([200, 'open']);
    expect([await health({}), await open(versions)]).toEqual([400, 400]);
    const refused = /^(EPROTO|ECONNRESET|ERR_SSL_(TLSV1_ALERT_UNKNOWN_CA|SSLV3_ALERT_CERTIFICATE_EXPIRED))$/;
    for (const wrong of [foreign.issue('client'), authority.issue('client', EXPIRED)]) {
      const shown = { cert: wrong.cert, key: wrong.key };
      expect(await health(shown)).toMatch(refused);
      expect(await open({ ...shown, ...versions })).toMatch(refused);
    }
  });

  test('a path that does not exist is refused as well', async () => {
    expect(await get(`${server.http}/nowhere`)).toBe(400);
    expect(await get(`${server.http}/nowhere`, { cert: good.cert, key: good.key })).toBe(404);
  });
});

describe('a certificate that', () => {
  const refusal = async (tls: object): Promise<string> => {
    const failing = startServer({ http_server: { tls: { enabled: true, ...tls } } });
    return failing.then(
      () => 'started',
      (error: Error) => error.message,
    );
  };

  test('lacks its key, or does not fit it, keeps the server from starting', async () => {
    const { certPath, keyPath } = pair;
    expect(await refusal({ cert_pem: certPath })).toContain('http_server.tls.key_pem: must be set');
    expect(await refusal({ cert_pem: certPath, key_pem: '/nowhere.pem' })).toContain(
      'http_server.tls.key_pem: neither',
    );
    const other = authority.issue('other');
    expect(await refusal({ cert_pem: other.certPath, key_pem: keyPath })).toContain('key values mismatch');
  });

  test('has expired is used, and the log says so', async () => {
    const expired = authority.issue('expired', EXPIRED);
    const server = await start({ tls: files(expired) });
    await server.logged(({ msg }) => msg.startsWith('a certificate has expired'));
    expect(await get(`${server.http}/health`)).toBe('CERT_HAS_EXPIRED');
    expect(await get(`${server.http}/health`, { rejectUnauthorized: false })).toBe(200);
  });
});

// Files are looked at every five seconds, some of them twice.
describe('new certificates without a restart', { timeout: 60_000 }, () => {
  function directory(): string {
    const path = mkdtempSync(join(tmpdir(), 'gyre-rotation-'));
    onTestFinished(() => rmSync(path, { recursive: true }));
    return path;
  }

  /** Files that the server is configured with. */
  function place(issued: Issued, at = directory()) {
    const paths = { certPath: join(at, 'cert.pem'), keyPath: join(at, 'key.pem') };
    for (const [from, to] of [
      [issued.keyPath, paths.keyPath],
      [issued.certPath, paths.certPath],
    ] as const) {
      copyFileSync(from, `${to}.new`);
      renameSync(`${to}.new`, to);
    }
    return { ...issued, ...paths, at };
  }

  const replaced = ({ msg }: { msg: string }) => msg === 'new connections get new certificates';

  test('by a signal: new connections get it, those that there are stay', async () => {
    const placed = place(pair);
    const server = await start({ tls: files(placed) });
    const clients = await Promise.all(Array.from({ length: 8 }, (_, i) => connected(server, json, `user${i}`)));
    const heard = await Promise.all(clients.map((client) => client.subscribe('news')));
    const old = await secureSocket(server);
    expect(old.shown).toBe('first');

    for (const [round, name] of ['second', 'third'].entries()) {
      place(authority.issue(name), placed.at);
      const done = server.nextLogged(replaced);
      server.signal('SIGHUP');
      await done;
      await until(`all workers show the ${name} one`, () => allShow(server, name));
      await server.publish('news', { round });
    }
    for (const one of heard) expect(await one.data(2)).toEqual([{ round: 0 }, { round: 1 }]);
    for (const { sockets } of clients) expect(sockets).toHaveLength(1);
    old.socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(String((await once(old.socket, 'data'))[0])).toContain('200 OK');
    const late = await (await connected(server, json, 'late')).subscribe('news');
    await server.publish('news', 'after');
    expect(await late.data(1)).toEqual(['after']);
  });

  test('by changed files alone', async () => {
    const placed = place(pair);
    const server = await start({ tls: files(placed) });
    place(authority.issue('second'), placed.at);
    await until('all workers show the second one', () => allShow(server, 'second'));
  });

  test('by text in the configuration', async () => {
    const server = await start({ tls: { enabled: true, cert_pem: pair.cert, key_pem: pair.key } });
    const { cert, key } = authority.issue('second');
    server.writeConfig({ http_server: { tls: { enabled: true, cert_pem: cert, key_pem: key } }, ...channels });
    server.signal('SIGHUP');
    await until('all workers show the second one', () => allShow(server, 'second'));
  });

  test('of what is served over gRPC', async () => {
    const placed = place(pair);
    vi.stubEnv('CENTRIFUGO_GRPC_API_PORT', '0');
    onTestFinished(() => void vi.unstubAllEnvs());
    const server = await start({}, { grpc_api: { enabled: true, key: 'k', tls: files(placed) } });
    const { port } = await server.logged(({ msg }) => msg === 'the server API is served over gRPC');
    const shows = async (name: string) => (await shownBy({ port: port as number })) === name;
    expect(await shows('first')).toBe(true);
    place(authority.issue('second'), placed.at);
    await until('it shows the second one', () => shows('second'));
  });

  test('what cannot be used is told once, and the former stays until something can', async () => {
    const placed = place(pair);
    const server = await start({ tls: files(placed) });
    const second = authority.issue('second');
    writeFileSync(placed.certPath, second.cert);
    const { msg, level } = await server.logged(({ msg }) => msg.endsWith('The former certificates stay'));
    expect([level, msg]).toEqual([50, expect.stringContaining('http_server.tls: cannot be used')]);
    expect(msg).not.toContain(pair.key.split('\n')[1]);
    expect(await allShow(server, 'first')).toBe(true);

    server.signal('SIGHUP');
    await server.logged(({ msg }) => msg.startsWith('the configuration cannot be used'));
    expect(await allShow(server, 'first')).toBe(true);

    writeFileSync(placed.keyPath, second.key);
    await until('all workers show the second one', () => allShow(server, 'second'));
    expect(server.log.filter(({ msg }) => msg.endsWith('The former certificates stay'))).toHaveLength(1);
  });

  test('authorities of clients are replaced as well', async () => {
    const foreign = new Authority('another authority');
    onTestFinished(() => foreign.close());
    const placed = place(pair);
    const client_ca_pem = join(placed.at, 'client-ca.pem');
    writeFileSync(client_ca_pem, authority.cert);
    const server = await start({ tls: { ...files(placed), client_ca_pem } });
    const { cert, key } = foreign.issue('client');
    expect(await get(`${server.http}/health`, { cert, key })).not.toBe(200);
    writeFileSync(client_ca_pem, foreign.cert);
    await until(
      'its certificates are accepted',
      async () => (await get(`${server.http}/health`, { cert, key })) === 200,
    );
  });

  test('a worker that takes the place of another has the newest', async () => {
    const placed = place(pair);
    const config = { http_server: { tls: files(placed) }, ...channels };
    const server = await startServer(config, { ca: authority.cert, faults: true });
    onTestFinished(() => server.stop());
    place(authority.issue('second'), placed.at);
    server.signal('SIGHUP');
    await until('all workers show the second one', () => allShow(server, 'second'));
    await server.inflict('throw', 1);
    await server.logged(({ msg }) => msg === 'worker replaced');
    expect(await allShow(server, 'second')).toBe(true);
  });
});
