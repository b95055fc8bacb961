import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { protobufCodec } from '../../src/protocol/codecs.js';
import { emulationRoute } from '../../src/transport/emulation.js';
import { httpStreamRoute, type StreamEndpoint, sseRoute } from '../../src/transport/streams.js';
import { eventually } from '../support/until.js';
import { type Actions, RawClient, RecordingSession, startServer, type TestServer } from './server.js';

const STREAM = '/stream';
const EVENTS = '/events';
const ORIGIN = 'https://app.example.com';

let server: TestServer;
let sessions: RecordingSession[];
let errors: unknown[];
afterEach(() => server.close());

function start(on: Actions = {}, options: Partial<StreamEndpoint> = {}): void {
  sessions = [];
  errors = [];
  const endpoint: Omit<StreamEndpoint, 'path'> = {
    maxBodyBytes: 1000,
    headers: ['x-user'],
    allowsOrigin: (origin) => origin === ORIGIN,
    admit: () => 'ok',
    open(socket, peer) {
      const session = new RecordingSession(socket, peer, on);
      sessions.push(session);
      return session;
    },
    onError: (error) => void errors.push(error),
    ...options,
  };
  const routes = [httpStreamRoute({ ...endpoint, path: STREAM }), sseRoute({ ...endpoint, path: EVENTS })];
  server = startServer({ routes });
}

const fetchStream = (init: RequestInit = {}) =>
  fetch(server.url + STREAM, { method: 'POST', body: '{"id":1}', ...init });
const fetchEvents = (query = '?cf_connect=%7B%22id%22%3A1%7D', init: RequestInit = {}) =>
  fetch(server.url + EVENTS + query, init);
const frame = (text: string) => Buffer.from(text);
/** Sends what it hears, and ends. */
const echo: Actions = {
  receive(socket, text) {
    socket.send(frame(text), false);
    socket.end(3001, 'shutdown');
  },
};
const PUSH = '{"push":{"disconnect":{"code":3001,"reason":"shutdown"}}}';

describe('a stream', () => {
  it('carries what the session sends, and says in a push why it ends', async () => {
    start(echo);
    const response = await fetchStream({ headers: { 'X-User': 'ann' } });
    expect(await response.text()).toBe(`{"id":1}\n${PUSH}\n`);
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-accel-buffering': 'no',
      'cache-control': 'private, no-cache, no-store, must-revalidate, max-age=0',
      pragma: 'no-cache',
      expire: '0',
      'content-type': 'text/plain; charset=utf-8',
    });
    const [session] = sessions;
    expect(session!.peer).toEqual({
      transport: 'http_stream',
      protocol: 'json',
      framePingPong: false,
      headers: { 'x-user': 'ann' },
    });
    await eventually(() => expect(session!.closes).toBe(1));
  });

  it('speaks Protobuf where the request does', async () => {
    const push = protobufCodec.encodePush({ disconnect: { code: 3001, reason: 'shutdown' } });
    start(echo);
    const response = await fetchStream({ headers: { 'Content-Type': 'application/octet-stream' }, body: 'abc' });
    expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.concat([frame('abc'), push]));
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
    expect(sessions[0]!.peer.protocol).toBe('protobuf');
  });

  it('goes on after the first answer, with what is said later', async () => {
    start();
    const response = fetchStream();
    await eventually(() => expect(sessions[0]?.messages).toEqual(['{"id":1}']));
    const { socket } = sessions[0]!;
    expect(socket.send(frame('1'), false)).toBe(1);
    const reader = (await response).body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('1\n');
    socket.send(frame('2'), false);
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('2\n');
    await reader.cancel();
    await eventually(() => expect(sessions[0]!.closes).toBe(1));
    expect([socket.send(frame('3'), false), socket.end(3000, ''), socket.destroy()]).toEqual([2, undefined, undefined]);
    expect(sessions[0]!.closes).toBe(1);
  });

  it('that was destroyed is cut without an end', async () => {
    start({ receive: (socket) => void socket.send(frame('1'), false) });
    const response = await fetchStream();
    sessions[0]!.socket.destroy();
    await expect(response.text()).rejects.toThrow();
    expect(sessions[0]!.closes).toBe(1);
  });

  it('may be destroyed before anything was sent', async () => {
    start({ open: (socket) => socket.destroy() });
    await expect(fetchStream()).rejects.toThrow();
    await eventually(() => expect(sessions[0]!.closes).toBe(1));
    expect(sessions[0]!.messages).toEqual([]);
  });

  it.each(['open', 'receive', 'drained', 'closed'] as const)('tells of a session that throws in %s', async (when) => {
    const bug = new Error('bug');
    start({
      [when]: () => {
        throw bug;
      },
    });
    const response = fetchStream().catch(() => {});
    if (when === 'drained') {
      await eventually(() => expect(sessions).toHaveLength(1));
      sessions[0]!.socket.send(Buffer.alloc(64 << 20), true);
      void response.then((answer) => answer?.arrayBuffer()).catch(() => {});
    }
    if (when === 'closed') {
      await eventually(() => expect(sessions).toHaveLength(1));
      sessions[0]!.socket.destroy();
    }
    await eventually(() => expect(errors).toEqual([bug]));
    sessions[0]?.socket.destroy();
    await response;
  });

  it('of an app that closes tells its session', async () => {
    start({ receive: (socket) => void socket.send(frame('1'), false) });
    await fetchStream();
    server.close();
    expect(sessions.map(({ closes }) => closes)).toEqual([1]);
  });
});

it('an open stream is not idle, however little it has to say', async () => {
  start({ receive: (socket) => void socket.send(frame('1'), false) });
  const app = server.app as typeof server.app & { setIdleTimeout(seconds: number): void };
  app.setIdleTimeout(1);
  const response = await fetchStream();
  const reader = response.body!.getReader();
  await reader.read();
  // A connection without a request is closed by the library, when it is due.
  const silent = connectTcp(server.port, '127.0.0.1');
  await once(silent, 'connect');
  await once(silent.resume(), 'close');
  sessions[0]!.socket.send(frame('2'), false);
  expect(Buffer.from((await reader.read()).value!).toString()).toBe('2\n');
  expect(sessions[0]!.closes).toBe(0);
  await reader.cancel();
});

describe('events', () => {
  it('begin with an empty line of their own', async () => {
    start(echo);
    const client = new RawClient(server.port).write(`GET ${EVENTS}?cf_connect=%7B%7D+x HTTP/1.1\r\nHost: a\r\n\r\n`);
    const text = await client.until('0\r\n\r\n');
    client.destroy();
    const [head, body] = [text.slice(0, text.indexOf('\r\n\r\n')), text.slice(text.indexOf('\r\n\r\n') + 4)];
    expect(head).toContain('Content-Type: text/event-stream; charset=utf-8');
    const expected = ['\r\n', 'data: {} x\n\n', `data: ${PUSH}\n\n`].map(
      (chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`,
    );
    expect(body.toLowerCase()).toBe(`${expected.join('')}0\r\n\r\n`.toLowerCase());
    expect(sessions[0]!.peer).toMatchObject({ transport: 'sse', protocol: 'json' });
  });

  it('may also be asked for by POST', async () => {
    start(echo);
    const response = await fetchEvents('', { method: 'POST', body: '{}' });
    expect(await response.text()).toBe(`\r\ndata: {}\n\ndata: ${PUSH}\n\n`);
  });

  it('need a command', async () => {
    start();
    expect((await fetchEvents('')).status).toBe(400);
    expect((await fetchEvents('?cf_connect=')).status).toBe(400);
    expect(sessions).toEqual([]);
  });
});

describe('a request', () => {
  it('of another method is refused, without counting as a connection', async () => {
    const admit = vi.fn(() => 'ok' as const);
    start({}, { admit });
    for (const method of ['GET', 'HEAD', 'PUT']) {
      expect((await fetchStream({ method, body: null })).status).toBe(405);
    }
    for (const method of ['OPTIONS', 'HEAD', 'DELETE']) expect((await fetchEvents('', { method })).status).toBe(405);
    expect(admit).not.toHaveBeenCalled();
  });

  it('with too large a body is refused', async () => {
    start();
    expect((await fetchStream({ body: 'x'.repeat(1001) })).status).toBe(413);
    expect(sessions).toEqual([]);
  });

  it('is refused while the server is full', async () => {
    start({}, { admit: () => 'busy' });
    expect([(await fetchStream()).status, (await fetchEvents()).status]).toEqual([503, 503]);
    expect(sessions).toEqual([]);
  });

  it('of an allowed origin is told so; another gets an answer that its browser keeps to itself', async () => {
    start(echo);
    for (const ask of [fetchStream, (init: RequestInit) => fetchEvents(undefined, init)]) {
      const allowed = await ask({ headers: { Origin: ORIGIN } });
      expect(allowed.headers.get('access-control-allow-origin')).toBe(ORIGIN);
      expect(allowed.headers.get('access-control-allow-credentials')).toBe('true');
      for (const headers of [{ Origin: 'https://evil.example' }, {}]) {
        const other = await ask({ headers });
        expect(other.status).toBe(200);
        expect([...other.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
      }
    }
  });

  it('that asks first learns what it may do', async () => {
    start();
    const headers = { Origin: ORIGIN, 'Access-Control-Request-Headers': 'content-type,x-user' };
    const { status, headers: told } = await fetchStream({ method: 'OPTIONS', body: null, headers });
    expect(status).toBe(204);
    expect(told.get('content-length')).toBeNull();
    expect(Object.fromEntries(told)).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-headers': 'content-type,x-user',
      'access-control-allow-methods': 'POST, OPTIONS',
      'access-control-max-age': '300',
    });
  });
});

describe('backpressure', () => {
  /** A client that has read its first message and reads no more until told to. */
  async function slowClient() {
    const socket = connectTcp(server.port, '127.0.0.1');
    const body = '{"id":1}';
    socket.write(`POST ${STREAM} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    await eventually(() => expect(sessions).toHaveLength(1));
    const session = sessions[0]!;
    session.socket.send(frame('first'), false);
    await once(socket, 'data');
    socket.pause();
    return { socket, session };
  }

  /** Messages in a chunked body, those that are there in full. */
  function messagesIn(text: string): string[] {
    let body = '';
    for (let at = 0; ; ) {
      const line = text.indexOf('\r\n', at);
      const length = Number.parseInt(text.slice(at, line), 16);
      if (line < 0 || !(length > 0) || text.length < line + 2 + length) break;
      body += text.slice(line + 2, line + 2 + length);
      at = line + 2 + length + 2;
    }
    return body.split('\n').slice(0, -1);
  }

  it.each([100, 8_000, 100_000])('of frames of %i bytes is reported, and loses nothing', async (bytes) => {
    start();
    const { socket, session } = await slowClient();
    let sent = 0;
    const send = (): number => session.socket.send(frame(`${sent++}`.padEnd(bytes, 'x')), false);
    while (send() === 1) if (sent % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(session.drains).toBe(0);
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    socket.resume();
    // What was kept arrives although nothing more is sent.
    await eventually(() => expect(session.drains).toBeGreaterThan(0));
    await eventually(() => expect(messagesIn(received.slice(2))).toHaveLength(sent));
    const numbers = messagesIn(received.slice(2)).map((message) => Number.parseInt(message, 10));
    expect(numbers).toEqual(Array.from({ length: sent }, (_, i) => i));
    expect(session.socket.send(frame('last'), false)).toBe(1);
    socket.destroy();
  });

  it('does not keep the end from a peer that reads on', async () => {
    start();
    const { socket, session } = await slowClient();
    while (session.socket.send(Buffer.alloc(8000, 'x'), false) === 1);
    session.socket.end(3008, 'slow');
    let tail = '';
    socket.on('data', (chunk) => {
      tail = (tail + chunk.toString('latin1')).slice(-200);
    });
    socket.resume();
    await eventually(() => expect(tail).toContain('{"push":{"disconnect":{"code":3008,"reason":"slow"}}}\n\r\n0\r\n'));
    expect(session.closes).toBe(1);
    socket.destroy();
  });
});

describe('commands aside', () => {
  const pass = vi.fn(async ({ node }: { node: string }) => node === 'known');
  const startEmulation = (): void => {
    pass.mockClear();
    const route = emulationRoute({
      path: '/emulation',
      maxBodyBytes: 100,
      allowsOrigin: (origin) => origin === ORIGIN,
      pass,
    });
    server = startServer({ routes: [route] });
  };
  const ask = (init: RequestInit) => fetch(`${server.url}/emulation`, { method: 'POST', ...init });
  const asked = { node: 'known', session: 's', data: Buffer.from('"{}"') };

  it('are passed on, in both encodings', async () => {
    startEmulation();
    const json = await ask({ body: '{"node":"known","session":"s","data":"{}"}' });
    expect([json.status, await json.text()]).toEqual([204, '']);
    const headers = { 'Content-Type': 'application/octet-stream' };
    const protobuf = await ask({ headers, body: Buffer.from('0a056b6e6f776e1201731a04227b7d22', 'hex') });
    expect(protobuf.status).toBe(204);
    expect(pass.mock.calls).toEqual([[asked], [asked]]);
  });

  it('are answered by what is wrong with them', async () => {
    startEmulation();
    expect((await ask({ body: '{"node":"other"}' })).status).toBe(404);
    expect((await ask({ body: 'x' })).status).toBe(400);
    expect((await ask({ headers: { 'Content-Type': 'application/octet-stream' }, body: '\n' })).status).toBe(400);
    expect((await ask({ body: 'x'.repeat(101) })).status).toBe(413);
    expect((await ask({ method: 'GET' })).status).toBe(405);
    pass.mockRejectedValueOnce(new Error('the node does not answer'));
    expect((await ask({ body: '{}' })).status).toBe(500);
  });

  it('may come from pages of allowed origins', async () => {
    startEmulation();
    const headers = { Origin: ORIGIN, 'Access-Control-Request-Headers': 'content-type' };
    const asks = await ask({ method: 'OPTIONS', headers });
    expect([asks.status, asks.headers.get('access-control-allow-headers')]).toEqual([204, 'content-type']);
    const answer = await ask({ headers: { Origin: ORIGIN }, body: '{"node":"known"}' });
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([204, ORIGIN]);
    const other = await ask({ headers: { Origin: 'https://evil.example' }, body: '{"node":"known"}' });
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
  });
});
