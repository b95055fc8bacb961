import type { Socket as TcpSocket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { compileOrigins } from '../../src/transport/origins.js';
import { eventually } from '../support/until.js';
import {
  type Actions,
  closing,
  connect,
  frame,
  message,
  open,
  RawClient,
  type Setup,
  startServer,
  type TestServer,
} from './server.js';

let server: TestServer;
const start = (setup?: Setup) => {
  server = startServer(setup);
  return server;
};
afterEach(() => {
  server.close();
  expect(server.errors).toEqual([]);
});

const echo: Actions = { receive: (socket, text) => void socket.send(Buffer.from(text), false) };

describe('handshake', () => {
  it.each([
    ['no pattern, no origin', [], undefined, true],
    ['no pattern, an origin', [], 'http://localhost:8000', false],
    ['any', ['*'], 'https://anything.example', true],
    ['exact', ['https://a.example'], 'https://a.example', true],
    ['other scheme', ['https://a.example'], 'http://a.example', false],
    ['case of both', ['https://A.example'], 'HTTPS://a.EXAMPLE', true],
    ['subdomain', ['https://*.example.com'], 'https://two.example.com', true],
    ['anchored at the end', ['https://*.example.com'], 'https://a.example.com.evil.org', false],
    ['port', ['http://localhost:*'], 'http://localhost:5173', true],
    ['second pattern', ['https://x', 'https://y'], 'https://y', true],
    ['absurdly long', ['https://*'], `https://${'a'.repeat(600)}`, false],
  ])('origin: %s', async (_, patterns, origin, allowed) => {
    start({ allowsOrigin: compileOrigins(patterns) });
    const result = await connect(server.ws, [], origin === undefined ? {} : { origin });
    if (allowed) expect(result).toHaveProperty('readyState', 1);
    else expect(result).toEqual({ status: 403, body: 'Forbidden\n' });
    expect(server.sessions).toHaveLength(allowed ? 1 : 0);
  });

  it('is refused with 503 when no connection is admitted', async () => {
    start({ admit: () => 'busy' });
    expect(await connect(server.ws)).toEqual({ status: 503, body: 'Service Unavailable\n' });
  });

  it.each([
    ['GET', {}, 400],
    ['POST', {}, 400],
    ['POST', { connection: 'upgrade', upgrade: 'websocket' }, 405],
    ['GET', { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' }, 400],
    [
      'GET',
      {
        connection: 'upgrade',
        upgrade: 'websocket',
        'sec-websocket-key': `${'a'.repeat(22)}==`,
        'sec-websocket-version': '8',
      },
      400,
    ],
    [
      'GET',
      {
        connection: 'upgrade',
        upgrade: 'h2c',
        'sec-websocket-key': `${'a'.repeat(22)}==`,
        'sec-websocket-version': '13',
      },
      400,
    ],
  ])('%s with %j is answered %i', async (method, headers, status) => {
    start();
    const lines = Object.entries({ host: 'test', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    const client = new RawClient(server.port).write(`${method} /ws HTTP/1.1\r\n${lines.join('')}\r\n`);
    expect(await client.until('\r\n\r\n')).toMatch(`HTTP/1.1 ${status} `);
    client.destroy();
  });

  it('accepts headers in the forms that browsers and proxies send', async () => {
    start();
    const client = new RawClient(server.port).write(
      'GET /ws HTTP/1.1\r\nHost: test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    expect(await client.until('\r\n\r\n')).toContain('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    client.destroy();
  });

  it.each([
    ['', [], 'json', ''],
    ['?cf_protocol=protobuf', [], 'protobuf', ''],
    ['?format=protobuf', [], 'protobuf', ''],
    ['?cf_protocol=json', [], 'json', ''],
    ['', ['centrifuge-protobuf'], 'protobuf', 'centrifuge-protobuf'],
    ['', ['centrifuge-json'], 'json', 'centrifuge-json'],
    ['', ['unknown', 'centrifuge-protobuf', 'centrifuge-json'], 'protobuf', 'centrifuge-protobuf'],
    ['?cf_protocol=protobuf', ['centrifuge-json'], 'protobuf', 'centrifuge-json'],
  ])('query "%s" and subprotocols %j make %s', async (query, protocols, protocol, echoed) => {
    start();
    const client = await open(server.ws + query, protocols);
    expect(client.protocol).toBe(echoed);
    expect(server.sessions[0]?.peer.protocol).toBe(protocol);
  });

  it('does not echo a subprotocol it does not speak', async () => {
    start();
    const client = new RawClient(server.port).write(
      'GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: chat\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    expect((await client.until('\r\n\r\n')).toLowerCase()).not.toContain('sec-websocket-protocol');
    client.destroy();
  });

  it('tells the session about its peer', async () => {
    start({ headers: ['cookie', 'x-user', 'x-absent'] });
    const cookie = 'c='.padEnd(8192, 'x');
    await open(`${server.ws}?cf_ws_frame_ping_pong=true`, [], { headers: { cookie, 'X-User': '42', other: '1' } });
    expect(server.sessions[0]?.peer).toEqual({
      transport: 'websocket',
      protocol: 'json',
      framePingPong: true,
      headers: { cookie, 'x-user': '42' },
    });
  });
});

describe('messages', () => {
  it('are taken as text and binary, and in fragments', async () => {
    start({ on: echo });
    const client = await open(server.ws);
    for (const binary of [false, true]) {
      const answer = message(client);
      client.send('hé', { binary, fin: false });
      client.send('llo', { binary, fin: true });
      expect(await answer).toBe('héllo');
    }
  });

  it('of exactly the limit are taken; over it the connection is closed with 1009', async () => {
    start({ options: { message_size_limit: 1000 } });
    const client = await open(server.ws);
    client.send('x'.repeat(1000));
    client.send('x'.repeat(1001));
    expect(await closing(client)).toEqual([1009, '']);
    expect(server.sessions[0]?.messages.map((text) => text.length)).toEqual([1000]);
    expect(server.sessions[0]?.closes).toBe(1);
  });

  it('that exceed the limit in fragments are refused too', async () => {
    start({ options: { message_size_limit: 1000 } });
    const client = await open(server.ws);
    client.send('x'.repeat(600), { fin: false });
    client.send('x'.repeat(600), { fin: true });
    expect(await closing(client)).toEqual([1009, '']);
  });

  it('far over the limit end the connection before they are read', async () => {
    start({ options: { message_size_limit: 1000 } });
    const client = await open(server.ws);
    client.on('error', () => undefined);
    client.send(Buffer.alloc(4 * 1024 * 1024));
    expect((await closing(client))[0]).toBe(1006);
    await eventually(() => expect(server.sessions[0]?.closes).toBe(1));
    expect(server.sessions[0]?.messages).toEqual([]);
  });

  it('are sent as text or binary, as asked', async () => {
    start({
      on: {
        receive(socket, text) {
          socket.send(Buffer.from(text), text === 'binary');
        },
      },
    });
    const client = await open(server.ws);
    for (const text of ['text', 'binary']) {
      const kind = new Promise((resolve) => client.once('message', (_, isBinary) => resolve(isBinary)));
      client.send(text);
      expect(await kind).toBe(text === 'binary');
    }
  });
});

describe('closing', () => {
  it('says code and reason, and tells the session once, after its own call returned', async () => {
    const closesInside: number[] = [];
    start({
      on: {
        receive(socket) {
          socket.end(3008, 'slow');
          closesInside.push(server.sessions[0]!.closes);
        },
      },
    });
    const client = await open(server.ws);
    client.send('x');
    client.send('not delivered');
    expect(await closing(client)).toEqual([3008, 'slow']);
    expect(closesInside).toEqual([0]);
    expect(server.sessions[0]?.closes).toBe(1);
    expect(server.sessions[0]?.messages).toEqual(['x']);
  });

  it('works from the session that is just being opened', async () => {
    start({ on: { open: (socket) => socket.end(3001, 'shutdown') } });
    expect(await closing(await open(server.ws))).toEqual([3001, 'shutdown']);
    await eventually(() => expect(server.sessions[0]?.closes).toBe(1));
  });

  it('by the peer or without a word is told to the session', async () => {
    start();
    const [polite, abrupt] = [await open(server.ws), await open(server.ws)];
    polite.close(1000);
    abrupt.terminate();
    await eventually(() => expect(server.sessions.map((session) => session.closes)).toEqual([1, 1]));
  });

  it('at once sends no close frame', async () => {
    start({ on: { receive: (socket) => socket.destroy() } });
    const client = await open(server.ws);
    client.send('x');
    expect(await closing(client)).toEqual([1006, '']);
    expect(server.sessions[0]?.closes).toBe(1);
  });

  it('leaves a socket whose calls do nothing', async () => {
    const results: unknown[] = [];
    start({
      on: {
        closed(socket) {
          results.push(socket.send(Buffer.from('x'), false));
          socket.ping();
          socket.end(3000, '');
          socket.destroy();
        },
      },
    });
    const client = await open(server.ws);
    client.terminate();
    await eventually(() => expect(results).toEqual([2]));
    expect(server.sessions[0]?.closes).toBe(1);
  });

  it('of the app tells every session', async () => {
    start();
    await open(server.ws);
    await open(server.ws);
    server.close();
    expect(server.sessions.map((session) => session.closes)).toEqual([1, 1]);
  });

  it('is finished within 5 s even when the peer never answers', async () => {
    start({ on: { receive: (socket) => socket.end(3008, 'slow') } });
    const client = await new RawClient(server.port).upgrade();
    client.write(frame(0x81, 'x'));
    const since = Date.now();
    expect((await client.ended).subarray(4).toString()).toBe('slow');
    // Only a socket that no longer exists answers a write with a reset.
    const gone = new Promise((resolve) => client.socket.once('error', resolve));
    const poke = setInterval(() => client.write(frame(0x8a)), 50);
    await gone;
    clearInterval(poke);
    expect(Date.now() - since).toBeLessThan(5000);
  });
});

describe('pings', () => {
  it('are answered by the peer and told to the session', async () => {
    start({ on: { open: (socket) => queueMicrotask(() => socket.ping()) } });
    await open(server.ws);
    await eventually(() => expect(server.sessions[0]?.pongs).toBe(1));
  });

  it('of the peer are answered', async () => {
    start();
    const client = await open(server.ws);
    const pong = new Promise((resolve) => client.once('pong', (data) => resolve(data.toString())));
    client.ping('p');
    expect(await pong).toBe('p');
  });
});

describe('backpressure', () => {
  const MEGABYTE = Buffer.alloc(1024 * 1024, 'x');

  it('is reported, ends with drained, and loses nothing', async () => {
    const results: number[] = [];
    start({
      options: { write_timeout: 60_000 },
      on: {
        receive(socket) {
          while (results.at(-1) !== 0) results.push(socket.send(MEGABYTE, true));
        },
      },
    });
    const client = await open(server.ws);
    client.pause();
    client.send('fill');
    await eventually(() => expect(results.at(-1)).toBe(0));
    expect(server.sessions[0]?.drains).toBe(0);

    let received = 0;
    client.on('message', (data: Buffer) => {
      received += data.length;
    });
    client.resume();
    await eventually(() => expect(received).toBe(results.length * MEGABYTE.length));
    await eventually(() => expect(server.sessions[0]?.drains).toBe(1));
  });

  it('without progress for write_timeout closes the connection', async () => {
    start({
      options: { write_timeout: 200 },
      on: {
        receive(socket) {
          while (socket.send(MEGABYTE, true) !== 0);
        },
      },
    });
    const client = await open(server.ws);
    client.pause();
    client.send('fill');
    await eventually(() => expect(server.sessions[0]?.closes).toBe(1));
    client.terminate();
  });
});

/** `ws` keeps its TCP socket to itself. */
const bytesRead = (client: WebSocket) => (Reflect.get(client, '_socket') as TcpSocket).bytesRead;

describe('compression', () => {
  const long = 'abc'.repeat(1000);
  const deflate = { perMessageDeflate: { threshold: 0 } };

  it('is off unless configured', async () => {
    start({ on: echo });
    const client = await open(server.ws, [], deflate);
    expect(client.extensions).toBe('');
    client.send(long);
    expect(await message(client)).toBe(long);
  });

  it('carries messages both ways', async () => {
    start({ options: { compression: true }, on: echo });
    const client = await open(server.ws, [], deflate);
    expect(client.extensions).toContain('permessage-deflate');
    for (let i = 0; i < 3; i++) {
      client.send(long);
      expect(await message(client)).toBe(long);
    }
  });

  it('is used for messages over compression_min_size only', async () => {
    start({
      options: { compression: true, compression_min_size: 100 },
      on: echo,
    });
    const client = await open(server.ws, [], { perMessageDeflate: { threshold: 1e6 } });
    const sizes: number[] = [];
    for (const text of ['a'.repeat(100), 'a'.repeat(101)]) {
      const before = bytesRead(client);
      client.send(text);
      expect(await message(client)).toBe(text);
      sizes.push(bytesRead(client) - before);
    }
    expect(sizes[0]).toBe(102);
    expect(sizes[1]).toBeLessThan(50);
  });

  it('bounds what a message inflates to', async () => {
    start({ options: { compression: true, message_size_limit: 1000 }, on: echo });
    const client = await open(server.ws, [], deflate);
    client.send('a'.repeat(10_000));
    expect(await message(client)).toHaveLength(10_000);
    client.send('a'.repeat(10_001));
    expect((await closing(client))[0]).toBe(1009);
  });

  it('ends the connection on a decompression bomb', async () => {
    start({ options: { compression: true, message_size_limit: 1000 } });
    const client = await open(server.ws, [], deflate);
    client.on('error', () => undefined);
    client.send(Buffer.alloc(50 * 1024 * 1024));
    expect((await closing(client))[0]).toBe(1006);
    expect(server.sessions[0]?.messages).toEqual([]);
  });

  it('does not raise the limit for clients without it', async () => {
    start({ options: { compression: true, message_size_limit: 1000 } });
    const client = await open(server.ws);
    client.send('a'.repeat(1001));
    expect((await closing(client))[0]).toBe(1009);
  });
});
