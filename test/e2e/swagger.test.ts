/** The API description as a page in a real browser, which has no other server to ask. */
import type { Browser, Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import { launchBrowser } from '../support/browser.js';
import { API_KEY, startServer, type TestServer } from '../support/server.js';

const CHANNEL = { history_size: 10, history_ttl: '60s' };

let server: TestServer;
let browser: Browser;

beforeAll(async () => {
  [browser, server] = await Promise.all([
    launchBrowser(),
    startServer({ swagger: { enabled: true }, channel: { without_namespace: CHANNEL }, workers: { count: 2 } }),
  ]);
  return () => Promise.all([browser.close(), server.stop()]);
}, 60_000);

/** With every address that the page has asked, and its errors. */
async function openPage(): Promise<{ page: Page; asked: URL[]; errors: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1200, height: 1000 } });
  const asked: URL[] = [];
  const errors: string[] = [];
  page.on('request', (request) => asked.push(new URL(request.url())));
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(`${server.http}/swagger`);
  await page.locator('.opblock').first().waitFor();
  return { page, asked, errors };
}

const operation = (page: Page, name: string) => page.locator(`[id$="-${name}"].opblock`);

test('shows every method, under a strict policy and from this server alone', async () => {
  const { page, asked, errors } = await openPage();
  const { paths } = JSON.parse((await server.request('GET', '/swagger/swagger.json')).body) as { paths: object };
  const shown = await page.locator('.opblock-summary-path').allTextContents();
  // It lets names break at underscores.
  expect(shown.map((path) => path.replaceAll('\u200b', '')).sort()).toEqual(Object.keys(paths).sort());
  expect(new Set(asked.filter(({ protocol }) => protocol !== 'data:').map(({ origin }) => origin))).toEqual(
    new Set([server.http]),
  );
  expect(errors).toEqual([]);
});

test('publishes with the key, and not without', async () => {
  const { page } = await openPage();
  const publish = operation(page, 'publish');
  await publish.locator('.opblock-summary').click();
  await publish.getByRole('button', { name: 'Try it out' }).click();
  await publish.locator('textarea.body-param__text').fill('{"channel": "page", "data": {"from": "the page"}}');
  await publish.getByRole('button', { name: 'Execute' }).click();
  const status = publish.locator('.live-responses-table .response-col_status');
  await status.filter({ hasText: '401' }).waitFor();

  await page.getByRole('button', { name: 'Authorize' }).click();
  await page.locator('.modal-ux input').first().fill(API_KEY);
  await page.locator('.modal-ux button.authorize').first().click();
  await page.locator('.modal-ux .close-modal').click();
  await publish.getByRole('button', { name: 'Execute' }).click();
  await status.filter({ hasText: '200' }).waitFor();
  expect(await publish.locator('.live-responses-table').textContent()).toContain('"offset": 1');
  expect(await server.api('history', { channel: 'page', limit: 1 })).toMatchObject({
    publications: [{ data: { from: 'the page' } }],
  });
}, 60_000);

test.each([
  ['/swagger/', 200, 'text/html; charset=utf-8'],
  ['/swagger/page.js', 200, 'text/javascript; charset=utf-8'],
  ['/swagger/swagger.json', 200, 'application/json; charset=utf-8'],
  ['/swagger/swagger-ui.css', 200, 'text/css; charset=utf-8'],
  ['/swagger/swagger-ui-bundle.js', 200, 'text/javascript; charset=utf-8'],
  ['/swagger/package.json', 404, 'text/plain; charset=utf-8'],
])('%s is answered with %i and %s', async (path, status, type) => {
  for (const method of ['GET', 'HEAD']) {
    const response = await fetch(server.http + path, { method });
    await response.arrayBuffer();
    expect([response.status, response.headers.get('content-type')]).toEqual([status, type]);
  }
});

test('nothing but reading is allowed', async () => {
  expect((await server.request('POST', '/swagger/swagger.json')).status).toBe(405);
});
