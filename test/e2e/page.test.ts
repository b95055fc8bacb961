/** The demo page in a real browser, as `npm start` serves it. */
import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import { developmentConfig } from '../../scripts/start.mjs';
import { launchBrowser } from '../support/browser.js';
import { type ConfigPart, startServer, type TestServer } from '../support/server.js';

const example = JSON.parse(readFileSync(new URL('../../config.example.json', import.meta.url), 'utf8')) as object;
const config = developmentConfig(example) as ConfigPart & { http_api: { key: string } };

let server: TestServer;
let browser: Browser;

beforeAll(async () => {
  const { key: _, ...http_api } = config.http_api;
  [browser, server] = await Promise.all([launchBrowser(), startServer({ ...config, http_api, http_server: {} })]);
  return () => Promise.all([browser.close(), server.stop()]);
}, 60_000);

/** A page that is connected and subscribed, and the errors it has had. */
async function openPage(): Promise<{ page: Page; errors: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1000, height: 800 } });
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(server.http);
  await page.locator('#state', { hasText: /^connected$/ }).waitFor();
  await page.locator('#subscription-state', { hasText: /^subscribed$/ }).waitFor();
  return { page, errors };
}

test('what the API publishes is on the page', async () => {
  const { page, errors } = await openPage();
  await server.publish('news', { text: 'from the backend' });
  const message = page.locator('#messages li', { hasText: '{"text":"from the backend"}' });
  await message.waitFor();
  expect(await message.count()).toBe(1);
  expect(errors).toEqual([]);
});

test('what one tab publishes is on the other, which counts who is there', async () => {
  const [one, two] = [await openPage(), await openPage()];
  await one.page.fill('#channel', 'tabs');
  await one.page.click('#subscribe button');
  await two.page.fill('#channel', 'tabs');
  await two.page.click('#subscribe button');
  await one.page.locator('#presence', { hasText: /^2$/ }).waitFor();
  await two.page.fill('#data', '{"text": "from a tab"}');
  await two.page.click('#publish-button');
  await one.page.locator('#messages li', { hasText: 'from a tab' }).waitFor();
  expect(await one.page.textContent('#count')).toBe('1');
  expect(await one.page.textContent('#latency')).toMatch(/^\d+\.\d ms$/);
  await two.page.close();
  await one.page.locator('#presence', { hasText: /^1$/ }).waitFor();
  expect([...one.errors, ...two.errors]).toEqual([]);
});

test('text that is not JSON is refused on the page, and markup stays text', async () => {
  const { page, errors } = await openPage();
  await page.fill('#data', 'not JSON');
  await page.click('#publish-button');
  await page.locator('#error', { hasText: 'This is not JSON' }).waitFor();
  await server.publish('news', '<img src=x onerror="document.title=1">');
  await page.locator('#messages li', { hasText: '<img src=x' }).waitFor();
  expect(await page.locator('#messages img').count()).toBe(0);
  expect(errors).toEqual([]);
});
