import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { HttpHandler, HttpRequest, HttpRoute } from '../../src/transport/http.js';
import { RawClient, startServer, type TestServer } from './server.js';

let server: TestServer;
afterEach(() => server.close());

function serve(handle: HttpHandler, route: Partial<HttpRoute> = {}) {
  server = startServer({ routes: [{ path: '/api/*', headers: [], maxBodyBytes: 1000, handle, ...route }] });
  return server;
}

const echo: HttpHandler = ({ body }) => ({ status: 200, body });
const post = (body: string | Uint8Array, path = '/api/x') => fetch(server.url + path, { method: 'POST', body });

describe('requests', () => {
  it('reach the handler with all it may read', async () => {
    const seen: HttpRequest[] = [];
    serve(
      (request) => {
        seen.push(request);
        return { status: 200 };
      },
      { headers: ['x-api-key', 'authorization'], readsQuery: true },
    );
    await fetch(`${server.url}/api/publish?a=1&b=%20`, {
      method: 'POST',
      body: 'hello',
      headers: { 'X-API-Key': 'key', other: 'o' },
    });
    const [request] = seen;
    expect(request).toMatchObject({ method: 'post', path: '/api/publish', query: 'a=1&b=%20' });
    expect(request?.body.toString()).toBe('hello');
    expect(request?.header('x-api-key')).toBe('key');
    expect(request?.header('authorization')).toBe('');
    expect(() => request?.header('other')).toThrow('header other is not among those the route asks for');
  });

  it.each(['GET', 'DELETE', 'PUT', 'OPTIONS'])('of method %s reach the handler', async (method) => {
    serve((request) => ({ status: 405, body: request.method }));
    const response = await fetch(`${server.url}/api/x`, { method });
    expect([response.status, await response.text()]).toEqual([405, method.toLowerCase()]);
  });

  it('do not have their query read where nobody asks for it', async () => {
    serve(({ query }) => ({ status: 200, body: `<${query}>` }));
    expect(await (await post('', '/api/x?a=1')).text()).toBe('<>');
  });

  it.each(['GET', 'POST'])('by %s are let in by a guard that reads any header and the query', async (method) => {
    const handle = vi.fn(echo);
    const guard: HttpRoute['guard'] = (head) =>
      head.header('x-open') === 'yes' || head.query === `${head.method}=1` ? undefined : { status: 401, body: 'no' };
    serve(handle, { guard });
    const ask = async (path: string, headers = {}) => {
      const body = method === 'GET' ? null : 'hello';
      const response = await fetch(server.url + path, { method, body, headers });
      return [response.status, await response.text()];
    };
    expect(await ask('/api/x')).toEqual([401, 'no']);
    expect(handle).not.toHaveBeenCalled();
    const answer = [200, method === 'GET' ? '' : 'hello'];
    expect(await ask('/api/x', { 'X-Open': 'yes' })).toEqual(answer);
    expect(await ask(`/api/x?${method.toLowerCase()}=1`)).toEqual(answer);
  });

  it('whose guard throws are answered 500', async () => {
    const handle = vi.fn(echo);
    serve(handle, {
      guard: () => {
        throw new Error('guard');
      },
    });
    expect((await post('x')).status).toBe(500);
    expect(server.errors.map(String)).toEqual(['Error: guard']);
    expect(handle).not.toHaveBeenCalled();
  });

  it('of other paths are answered 404', async () => {
    serve(echo);
    const response = await fetch(`${server.url}/nowhere`, { method: 'POST', body: 'x' });
    expect([response.status, await response.text()]).toEqual([404, '404 page not found\n']);
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  });

  it('may carry 8 KB of cookies', async () => {
    serve((request) => ({ status: 200, body: String(request.header('cookie').length) }), { headers: ['cookie'] });
    const response = await fetch(`${server.url}/api/x`, { headers: { cookie: 'c'.repeat(8192) } });
    expect(await response.text()).toBe('8192');
  });
});

describe('bodies', () => {
  it.each([0, 1, 999, 1000])('of %i bytes are read', async (bytes) => {
    serve(echo);
    expect(await (await post('x'.repeat(bytes))).text()).toBe('x'.repeat(bytes));
  });

  it('over the limit are answered 413, announced or not', async () => {
    const handle = vi.fn(echo);
    serve(handle);
    expect((await post('x'.repeat(1001))).status).toBe(413);
    const chunked = new RawClient(server.port).write(
      `POST /api/x HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n${'258\r\n'.concat('x'.repeat(600), '\r\n').repeat(2)}`,
    );
    expect(await chunked.until('\r\n\r\n')).toContain('HTTP/1.1 413 ');
    chunked.destroy();
    expect(handle).not.toHaveBeenCalled();
  });

  it('in chunks are put together', async () => {
    serve(echo);
    const client = new RawClient(server.port).write(
      'POST /api/x HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n',
    );
    client.write('2\r\nlo\r\n0\r\n\r\n');
    expect(await client.until('hello')).toContain('HTTP/1.1 200 OK');
    client.destroy();
  });

  it('in several packets are put together', async () => {
    serve(echo, { maxBodyBytes: 1_000_000 });
    const body = Buffer.alloc(900_000, 'abcdefgh');
    expect(Buffer.from(await (await post(body)).arrayBuffer()).equals(body)).toBe(true);
  });

  it('outlive the callback in which they came', async () => {
    const held: Buffer[] = [];
    serve(async ({ body }) => {
      held.push(body);
      await new Promise(setImmediate);
      return { status: 200, body };
    });
    expect(await (await post('first')).text()).toBe('first');
    expect(await (await post('second')).text()).toBe('second');
    expect(held.map(String)).toEqual(['first', 'second']);
  });

  it('that end early never reach the handler', async () => {
    const handle = vi.fn(echo);
    serve(handle);
    const client = connect(server.port, '127.0.0.1');
    client.write('POST /api/x HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf');
    await once(client, 'connect');
    client.resetAndDestroy();
    await once(client, 'close');
    expect(await (await post('whole')).text()).toBe('whole');
    expect(handle).toHaveBeenCalledTimes(1);
  });
});

describe('answers', () => {
  it('carry status, headers and bytes', async () => {
    serve(() => ({
      status: 201,
      headers: { 'Content-Type': 'application/json', 'X-A': 'b' },
      body: Buffer.from('{}'),
    }));
    const response = await fetch(`${server.url}/api/x`);
    expect([response.status, response.statusText, await response.text()]).toEqual([201, 'Created', '{}']);
    expect([response.headers.get('content-type'), response.headers.get('x-a')]).toEqual(['application/json', 'b']);
  });

  it('to HEAD have the length and no body', async () => {
    serve(() => ({ status: 200, body: 'héllo' }));
    const client = new RawClient(server.port).write('HEAD /api/x HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n');
    expect((await client.until('\r\n\r\n')).toLowerCase()).toMatch(/content-length: 6\r\n(.*\r\n)*\r\n$/);
    client.destroy();
  });

  it('may come later', async () => {
    serve(async () => {
      await new Promise(setImmediate);
      return { status: 200, body: 'later' };
    });
    expect(await (await fetch(`${server.url}/api/x`)).text()).toBe('later');
    expect(await (await post('x')).text()).toBe('later');
  });

  it('may be given by a call, now or later', async () => {
    serve(({ method }, answer) => {
      const give = () => answer({ status: 200, body: 'given' });
      if (method === 'get') give();
      else setImmediate(give);
      return undefined;
    });
    expect(await (await fetch(`${server.url}/api/x`)).text()).toBe('given');
    expect(await (await post('x')).text()).toBe('given');
  });

  it('come in order on one connection', async () => {
    serve(({ path }) => ({ status: 200, body: path }));
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`;
    const client = new RawClient(server.port).write(get('/api/1') + get('/api/2') + get('/nowhere') + get('/api/3'));
    const answers = await client.until('/api/3');
    expect(answers.match(/\/api\/\d|404 page/g)).toEqual(['/api/1', '/api/2', '404 page', '/api/3']);
    client.destroy();
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('boom');
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('boom');
      },
    ],
  ])('are 500 when the handler %s', async (_, handle: HttpHandler) => {
    serve(handle);
    for (const response of [await fetch(`${server.url}/api/x`), await post('x')]) {
      expect([response.status, await response.text()]).toEqual([500, 'Internal Server Error\n']);
    }
    expect(server.errors).toEqual([new Error('boom'), new Error('boom')]);
  });

  it('that cannot be written end the connection, not the server', async () => {
    serve(() => ({ status: 200, body: 5 as unknown as string }));
    await expect(fetch(`${server.url}/api/x`)).rejects.toThrow();
    expect(server.errors).toHaveLength(1);
    expect((await fetch(`${server.url}/nowhere`)).status).toBe(404);
  });

  it.each(['promised', 'given by a call'])('to a client that left are dropped: %s', async (how) => {
    let end = () => {};
    const asked = new Promise<void>((resolve) => {
      serve((_, answer) => {
        resolve();
        if (how !== 'promised') {
          end = () => answer({ status: 200 });
          return undefined;
        }
        return new Promise((done) => {
          end = () => done({ status: 200 });
        });
      });
    });
    const client = request(`${server.url}/api/x`).on('error', () => undefined);
    client.end();
    await asked;
    const left = new Promise((resolve) => client.once('close', resolve));
    client.destroy();
    await left;
    await fetch(`${server.url}/nowhere`); // by now the server has seen the reset
    end();
    expect((await fetch(`${server.url}/nowhere`)).status).toBe(404);
    expect(server.errors).toEqual([]);
  });
});
