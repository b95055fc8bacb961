import { once } from 'node:events';
import { createServer, get as getRaw, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { MemoryCache } from '../../src/acme/cache.js';
import { Challenges } from '../../src/acme/challenges.js';

const cache = new MemoryCache();
const challenges = new Challenges(cache);
let base = '';
beforeAll(async () => {
  base = `http://127.0.0.1:${await challenges.listen({ host: '127.0.0.1', port: 0 })}`;
});
afterAll(() => challenges.close());

const get = (path: string, init: RequestInit = {}) => fetch(base + path, { redirect: 'manual', ...init });

/** The path as it is: `fetch` would resolve dots. */
async function statusOf(path: string): Promise<number> {
  const { hostname, port } = new URL(base);
  const [response] = (await once(getRaw({ hostname, port, path }), 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode!;
}

test('an open challenge is answered, another is not', async () => {
  challenges.put('to-ken_1', 'to-ken_1.thumbprint');
  const answer = await get('/.well-known/acme-challenge/to-ken_1');
  expect([answer.status, await answer.text()]).toEqual([200, 'to-ken_1.thumbprint']);
  expect((await get('/.well-known/acme-challenge/other')).status).toBe(404);
  challenges.delete('to-ken_1');
  expect((await get('/.well-known/acme-challenge/to-ken_1')).status).toBe(404);
});

test('nothing else in the cache can be had', async () => {
  cache.put('acme_account+key', 'secret');
  for (const token of ['acme_account+key', '..%2fkey', 'a/../acme_account+key', '%2e%2e', '']) {
    expect(await statusOf(`/.well-known/acme-challenge/${token}`)).toBe(404);
  }
  for (const token of ['', '../x', 'a/b']) expect(() => challenges.put(token, 'x')).toThrow('a token that is none');
});

test('everybody else is sent to HTTPS', async () => {
  const answer = await get('/connection/sse?a=b');
  expect([answer.status, answer.headers.get('location')]).toEqual([302, 'https://127.0.0.1/connection/sse?a=b']);
  expect((await get('/', { method: 'POST' })).status).toBe(400);
});

test('a port that is taken is an error in one line', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void other.close());
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await expect(new Challenges(cache).listen({ host: '127.0.0.1', port })).rejects.toThrow(
    /^ACME challenges cannot be answered: listen EADDRINUSE/,
  );
});
