import { mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { fileServer } from '../../src/cli/serve.js';
import { directoryWith } from '../config/helpers.js';

interface Answer {
  status: number;
  type: string | undefined;
  body: string;
}

/** Sends the path as it is, which fetch would tidy. */
async function startServer() {
  const outside = directoryWith({ 'secret.txt': 'secret' });
  const root = join(outside, 'root');
  mkdirSync(join(root, 'sub'), { recursive: true });
  writeFileSync(join(root, 'index.html'), '<p>hello');
  writeFileSync(join(root, 'sub', 'a b.js'), 'x');
  const server = fileServer(root).listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return (path: string, method = 'GET') =>
    new Promise<Answer>((done, fail) => {
      const sent = request({ host: '127.0.0.1', port, path, method, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        response.on('end', () => done({ status: response.statusCode!, type: response.headers['content-type'], body }));
      });
      sent.on('error', fail).end();
    });
}

test('files and the index of a directory are served', async () => {
  const get = await startServer();
  expect(await get('/?x=1')).toEqual({ status: 200, type: 'text/html; charset=utf-8', body: '<p>hello' });
  expect(await get('/sub/a%20b.js')).toMatchObject({ status: 200, type: 'text/javascript; charset=utf-8', body: 'x' });
  expect(await get('/sub/a%20b.js', 'HEAD')).toMatchObject({ status: 200, body: '' });
  expect((await get('/sub')).status).toBe(404);
  expect((await get('/none')).status).toBe(404);
  expect((await get('/', 'POST')).status).toBe(405);
});

test('nothing outside of the directory is served', async () => {
  const get = await startServer();
  for (const path of ['/../secret.txt', '/%2e%2e/secret.txt', '/sub/../../secret.txt', '/%', '/%00']) {
    const { status, body } = await get(path);
    expect(status, path).toBeGreaterThanOrEqual(400);
    expect(body).not.toContain('secret');
  }
});
