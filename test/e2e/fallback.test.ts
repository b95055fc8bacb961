/** A web page of another origin, in a real browser, whose network lets less and less through. */
import type * as library from 'centrifuge';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import { launchBrowser } from '../support/browser.js';
import { connectionToken } from '../support/sdk.js';
import { type ConfigPart, startServer, type TestServer } from '../support/server.js';

declare const Centrifuge: typeof library.Centrifuge;

const config: ConfigPart = {
  websocket: { disabled: true },
  http_stream: { enabled: true },
  sse: { enabled: true },
  channel: { without_namespace: { allow_subscribe_for_client: true, allow_publish_for_subscriber: true } },
};

let site: TestServer;
let server: TestServer;
let stranger: TestServer;
let browser: Browser;

beforeAll(async () => {
  [browser, site] = await Promise.all([launchBrowser(), startServer({ dev: { demo: true }, workers: { count: 1 } })]);
  [server, stranger] = await Promise.all([
    startServer({ ...config, client: { allowed_origins: [site.http] } }),
    startServer({ ...config, client: { allowed_origins: ['https://elsewhere.example'] }, workers: { count: 1 } }),
  ]);
  return () => Promise.all([browser.close(), site.stop(), server.stop(), stranger.stop()]);
}, 60_000);

/** Nothing but the client library, from another origin than the server's. */
async function openPage(): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(`${site.http}/style.css`);
  await page.addScriptTag({ url: `${site.http}/centrifuge.js` });
  return page;
}

interface Setup {
  http: string;
  websocket: string;
  token: string;
  channel: string;
}

const setup = (to: TestServer, channel: string): Setup => ({
  http: to.http,
  websocket: to.websocket,
  token: connectionToken('browser'),
  channel,
});

/** Connect by whatever gets through, and publish to oneself. @returns the transport, and what came. */
const talk = (page: Page, to: Setup): Promise<{ transport: string; received: unknown[] }> =>
  page.evaluate(async ({ http, websocket, token, channel }) => {
    const client = new Centrifuge(
      [
        { transport: 'websocket', endpoint: websocket },
        { transport: 'http_stream', endpoint: `${http}/connection/http_stream` },
        { transport: 'sse', endpoint: `${http}/connection/sse` },
      ],
      { emulationEndpoint: `${http}/emulation`, token, minReconnectDelay: 5, maxReconnectDelay: 50 },
    );
    let transport = '';
    client.on('connected', (context) => {
      transport = context.transport;
    });
    const subscription = client.newSubscription(channel);
    const received: unknown[] = [];
    const all = new Promise<void>((resolve) => {
      subscription.on('publication', ({ data }) => {
        received.push(data);
        if (received.length === 3) resolve();
      });
    });
    subscription.subscribe();
    client.connect();
    await subscription.ready();
    for (const n of [0, 1, 2]) await subscription.publish({ n, text: 'ü\r\n<>' });
    await all;
    client.disconnect();
    return { transport, received };
  }, to);

const published = [0, 1, 2].map((n) => ({ n, text: 'ü\r\n<>' }));

test('without WebSocket it connects by HTTP streaming', async () => {
  const page = await openPage();
  expect(await talk(page, setup(server, 'a'))).toEqual({ transport: 'http_stream', received: published });
});

test('without either it connects by Server-Sent Events', async () => {
  const page = await openPage();
  await page.route('**/connection/http_stream', (route) => route.abort());
  expect(await talk(page, setup(server, 'b'))).toEqual({ transport: 'sse', received: published });
});

test('a page of an origin that is not allowed does not get through at all', async () => {
  const page = await openPage();
  const states = await page.evaluate(
    async ({ http, token }) => {
      const seen: string[] = [];
      for (const transport of ['http_stream', 'sse'] as const) {
        const client = new Centrifuge([{ transport, endpoint: `${http}/connection/${transport}` }], {
          emulationEndpoint: `${http}/emulation`,
          token,
        });
        client.on('connected', () => seen.push('connected'));
        const failed = new Promise<void>((resolve) => void client.on('error', () => resolve()));
        client.connect();
        await failed;
        seen.push(client.state);
        client.disconnect();
      }
      return seen;
    },
    setup(stranger, 'c'),
  );
  expect(states).toEqual(['connecting', 'connecting']);
});
