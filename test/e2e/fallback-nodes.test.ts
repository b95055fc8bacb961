/**
 * A web page behind a proxy that knows no WebSocket, of an origin that is not the server's, in a real browser. Its stream is at one
 * node of two, what it asks goes to the same node or to the other, by several connections and so to several workers.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type * as library from 'centrifuge';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { Application } from '../support/application.js';
import { launchBrowser } from '../support/browser.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { connectionToken } from '../support/sdk.js';
import { startServer, type TestServer } from '../support/server.js';
import { until } from '../support/until.js';

declare const Centrifuge: typeof library.Centrifuge;

/** So many that a browser opens all the connections to a host that it allows itself, six. */
const AT_ONCE = 12;

let browser: Browser;
let redis: RedisServer;
let application: Application;
let proxy: Server;
let site: TestServer;
let one: TestServer;
let two: TestServer;

function startNode(name: string): Promise<TestServer> {
  return startServer({
    node: { name },
    engine: { type: 'redis', redis: { address: [redis.url] } },
    workers: { count: 2 },
    http_stream: { enabled: true },
    sse: { enabled: true },
    client: { allowed_origins: [site.http] },
    rpc: {
      proxy: { endpoint: application.endpoint('rpc'), timeout: '10s' },
      without_namespace: { proxy_enabled: true },
    },
    channel: {
      without_namespace: {
        allow_subscribe_for_client: true,
        allow_publish_for_subscriber: true,
        allow_presence_for_subscriber: true,
        allow_history_for_subscriber: true,
        presence: true,
        history_size: 100,
        history_ttl: '60s',
      },
    },
  });
}

beforeAll(async () => {
  // To it a request to upgrade is a request.
  proxy = createServer((_, response) => response.end());
  proxy.listen(0, '127.0.0.1');
  [browser, redis, application, site] = await Promise.all([
    launchBrowser(),
    startRedis(),
    Application.open(),
    startServer({ dev: { demo: true }, workers: { count: 1 } }),
    once(proxy, 'listening'),
  ]);
  application.answer = ({ body }) => ({ result: { data: { double: 2 * body.data.n } } });
  [one, two] = await Promise.all([startNode('one'), startNode('two')]);
  await until('the nodes know each other', async () => {
    const counts = [one, two].map(async (node) => (await node.api<{ nodes: object[] }>('info')).nodes.length);
    return (await Promise.all(counts)).every((count) => count === 2);
  });
  return async () => {
    proxy.close();
    await Promise.all([browser.close(), site.stop(), one.stop(), two.stop(), application.close()]);
    await redis.stop();
  };
}, 60_000);

let page: Page;
beforeEach(async () => {
  page = await browser.newPage();
  await page.goto(`${site.http}/style.css`);
  await page.addScriptTag({ url: `${site.http}/centrifuge.js` });
  return () => page.close();
});

/** Where the stream is, and where commands go. */
const setup = (stream: TestServer, commands: TestServer, channel: string) => ({
  websocket: `ws://127.0.0.1:${(proxy.address() as AddressInfo).port}/connection/websocket`,
  http: stream.http,
  emulation: `${commands.http}/emulation`,
  token: connectionToken('browser'),
  channel,
  count: AT_ONCE,
});

/** All that a client may ask, most of it at once. */
const work = (to: ReturnType<typeof setup>) =>
  page.evaluate(async ({ websocket, http, emulation, token, channel, count }) => {
    const client = new Centrifuge(
      [
        { transport: 'websocket', endpoint: websocket },
        { transport: 'http_stream', endpoint: `${http}/connection/http_stream` },
        { transport: 'sse', endpoint: `${http}/connection/sse` },
      ],
      { emulationEndpoint: emulation, token, minReconnectDelay: 5, maxReconnectDelay: 50 },
    );
    let transport = '';
    client.on('connected', (context) => {
      transport = context.transport;
    });
    const numbers = Array.from({ length: count }, (_, n) => n);
    const subscription = client.newSubscription(channel);
    const received: number[] = [];
    const all = new Promise<void>((resolve) => {
      subscription.on('publication', ({ data }) => {
        if (received.push((data as { n: number }).n) === count) resolve();
      });
    });
    subscription.subscribe();
    client.connect();
    await subscription.ready();
    await Promise.all(numbers.map((n) => subscription.publish({ n })));
    await all;
    const doubled = await Promise.all(numbers.map((n) => client.rpc('double', { n })));
    const others = await Promise.all(
      numbers.map(async (n) => {
        const other = client.newSubscription(`${channel}-${n}`);
        other.subscribe();
        await other.ready();
        return (await other.presenceStats()).numClients;
      }),
    );
    const { clients } = await subscription.presence();
    const { publications } = await subscription.history({ limit: 100 });
    client.disconnect();
    return {
      transport,
      received: received.sort((a, b) => a - b),
      kept: publications.map(({ data }) => (data as { n: number }).n).sort((a, b) => a - b),
      doubled: doubled.map(({ data }) => (data as { double: number }).double),
      present: Object.values(clients).map(({ user }) => user),
      others,
    };
  }, to);

const numbers = Array.from({ length: AT_ONCE }, (_, n) => n);
const done = (transport: string) => ({
  transport,
  received: numbers,
  kept: numbers,
  doubled: numbers.map((n) => 2 * n),
  present: ['browser'],
  others: numbers.map(() => 1),
});

const cases: [transport: 'http_stream' | 'sse', where: string, commands: () => TestServer][] = [
  ['http_stream', 'the same node', () => one],
  ['http_stream', 'the other node', () => two],
  ['sse', 'the same node', () => one],
  ['sse', 'the other node', () => two],
];

test.each(cases)(
  'by %s everything works, with commands to %s',
  { timeout: 40_000 },
  async (transport, where, commands) => {
    if (transport === 'sse') await page.route('**/connection/http_stream', (route) => route.abort());
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    expect(await work(setup(one, commands(), `${transport} ${where}`))).toEqual(done(transport));
    const emulated = asked.filter((url) => url.endsWith('/emulation'));
    expect(emulated.length).toBeGreaterThan(AT_ONCE);
    expect(new Set(emulated)).toEqual(new Set([`${commands().http}/emulation`]));
  },
);
