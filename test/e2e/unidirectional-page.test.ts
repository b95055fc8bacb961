/** A web page of another origin, in a real browser, that hears by what browsers have without a library. */
import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import { connectionToken } from '../support/sdk.js';
import { startServer, type TestServer } from '../support/server.js';
import { until } from '../support/until.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const CHANNEL = 'news';

// biome-ignore lint/suspicious/noExplicitAny: pushes have any shape
type Push = any;

let site: TestServer;
let server: TestServer;
let stranger: TestServer;
let browser: Browser;

beforeAll(async () => {
  if (CHROMIUM === undefined) throw new Error('These tests need Chromium: apt-get install chromium');
  [browser, site] = await Promise.all([
    chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] }),
    startServer({ dev: { demo: true }, workers: { count: 1 } }),
  ]);
  const connect_code_to_http_response = {
    enabled: true,
    transforms: [{ code: 3500, to: { status_code: 401 } }],
  };
  const config = {
    uni_websocket: { enabled: true },
    uni_sse: { enabled: true, connect_code_to_http_response },
    uni_http_stream: { enabled: true },
    workers: { count: 2 },
    channel: {
      without_namespace: {
        allow_subscribe_for_client: true,
        history_size: 10,
        history_ttl: '1m',
        force_recovery: true,
      },
    },
  };
  [server, stranger] = await Promise.all([
    startServer({ ...config, client: { allowed_origins: [site.http] } }),
    startServer({ ...config, client: { allowed_origins: ['https://elsewhere.example'] } }),
  ]);
  return () => Promise.all([browser.close(), site.stop(), server.stop(), stranger.stop()]);
}, 60_000);

async function openPage(): Promise<{ page: Page; pushes: Push[] }> {
  const page = await browser.newPage();
  const pushes: Push[] = [];
  await page.exposeFunction('heard', (push: string) => void pushes.push(JSON.parse(push)));
  await page.goto(`${site.http}/style.css`);
  return { page, pushes };
}

declare const heard: (push: string) => void;

const asking = (request: object = {}): string =>
  JSON.stringify({ token: connectionToken('browser'), subs: { [CHANNEL]: {} }, ...request });

const listenByEvents = (page: Page, to: TestServer, request: string): Promise<void> =>
  page.evaluate(
    (url) => {
      const source = new EventSource(url);
      source.onmessage = ({ data }) => heard(data);
      source.onerror = () => heard(JSON.stringify({ error: source.readyState }));
    },
    `${to.http}/connection/uni_sse?cf_connect=${encodeURIComponent(request)}`,
  );

const publicationsIn = (pushes: Push[]): unknown[] =>
  pushes.flatMap(({ pub }) => (pub === undefined ? [] : [pub.data]));

test('an EventSource hears publications, and by itself connects again', async () => {
  const { page, pushes } = await openPage();
  await listenByEvents(page, server, asking());
  await until('the connect push', () => pushes.length > 0);
  const { client } = pushes[0].connect;
  await server.publish(CHANNEL, { text: 'ü\r\n<>' });
  await until('the publication', () => publicationsIn(pushes).length === 1);
  expect(publicationsIn(pushes)).toEqual([{ text: 'ü\r\n<>' }]);
  await server.api('disconnect', { user: 'browser', disconnect: { code: 3011, reason: 'force reconnect' } });
  await until('another connect push', () => pushes.filter(({ connect }) => connect).length === 2);
  expect(pushes.at(-1).connect.client).not.toBe(client);
  expect(pushes.slice(2, 4)).toEqual([{ disconnect: { code: 3011, reason: 'force reconnect' } }, { error: 0 }]);
  await page.close();
});

test('an EventSource gives up where the answer is not a stream', async () => {
  const { page, pushes } = await openPage();
  await listenByEvents(page, server, asking({ token: 'x' }));
  await until('the error', () => pushes.length > 0);
  // CLOSED: it does not try again.
  expect(pushes).toEqual([{ error: 2 }]);
  await page.close();
});

test('a fetched stream and a WebSocket hear as well, with what they have missed', async () => {
  const { epoch } = await server.publish(CHANNEL, 'missed');
  const { offset } = await server.publish(CHANNEL, 'missed too');
  const request = asking({ subs: { [CHANNEL]: { recover: true, epoch, offset: offset! - 2 } } });
  for (const by of ['fetch', 'WebSocket']) {
    const { page, pushes } = await openPage();
    await page.evaluate(
      async ({ by, http, request }) => {
        if (by === 'WebSocket') {
          const socket = new WebSocket(`${http.replace('http', 'ws')}/connection/uni_websocket`);
          socket.onopen = () => socket.send(request);
          socket.onmessage = ({ data }) => heard(data);
          return;
        }
        const { body } = await fetch(`${http}/connection/uni_http_stream`, { method: 'POST', body: request });
        const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
        const { value } = await reader.read();
        for (const line of value!.trim().split('\n')) heard(line);
        await reader.cancel();
      },
      { by, http: server.http, request },
    );
    await until('the connect push', () => pushes.length > 0);
    expect(pushes[0].connect.subs[CHANNEL]).toMatchObject({ recovered: true, was_recovering: true });
    expect(pushes[0].connect.subs[CHANNEL].publications.map(({ data }: Push) => data)).toEqual([
      'missed',
      'missed too',
    ]);
    await page.close();
  }
});

test('a page of an origin that is not allowed hears nothing', async () => {
  const { page, pushes } = await openPage();
  const outcomes = await page.evaluate(
    async ({ http, request }) => {
      const socket = new WebSocket(`${http.replace('http', 'ws')}/connection/uni_websocket`);
      socket.onmessage = ({ data }) => heard(data);
      const closed = new Promise<number>((resolve) => {
        socket.onclose = ({ code }) => resolve(code);
      });
      const source = new EventSource(`${http}/connection/uni_sse?cf_connect=${encodeURIComponent(request)}`);
      source.onmessage = ({ data }) => heard(data);
      const failed = new Promise<string>((resolve) => {
        source.onerror = () => resolve('error');
      });
      const fetched = fetch(`${http}/connection/uni_http_stream`, { method: 'POST', body: request });
      const outcomes = [await closed, await failed, await fetched.then(() => 'answer').catch(() => 'error')];
      source.close();
      return outcomes;
    },
    { http: stranger.http, request: asking() },
  );
  expect(outcomes).toEqual([1006, 'error', 'error']);
  expect(pushes).toEqual([]);
  await page.close();
});
