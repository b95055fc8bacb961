import { afterEach, describe, expect, it } from 'vitest';
import { SENT } from '../../src/clients/socket.js';
import { disconnects, errors } from '../../src/protocol/codes.js';
import { initRoute } from '../../src/transport/init.js';
import { type UniStreamEndpoint, uniHttpStreamRoute, uniSseRoute } from '../../src/transport/uni-streams.js';
import { eventually } from '../support/until.js';
import { type Actions, RecordingSession, startServer, type TestServer } from './server.js';

const ORIGIN = 'https://app.example.com';
const MAX_BODY_BYTES = 1000;

let server: TestServer;
let sessions: RecordingSession[];
let bugs: unknown[];
afterEach(() => server.close());

function start(on: Actions = {}, options: Partial<UniStreamEndpoint> = {}): void {
  sessions = [];
  bugs = [];
  const endpoint: Omit<UniStreamEndpoint, 'path'> = {
    maxBodyBytes: MAX_BODY_BYTES,
    headers: ['x-user'],
    connectCodeToHttpResponse: { enabled: false, transforms: [{ code: 3500, to: { status_code: 401, body: '' } }] },
    allowsOrigin: (origin) => origin === ORIGIN,
    admit: () => 'ok',
    open(socket, peer) {
      const session = new RecordingSession(socket, peer, on);
      sessions.push(session);
      return session;
    },
    onError: (error) => void bugs.push(error),
    ...options,
  };
  server = startServer({
    routes: [
      uniHttpStreamRoute({ ...endpoint, path: '/stream' }),
      uniSseRoute({ ...endpoint, path: '/events' }),
      initRoute('/init', endpoint),
    ],
  });
}

const ask = (path: string, init: RequestInit = {}) => fetch(server.url + path, init);
const post = (path: string, body: string, init: RequestInit = {}) => ask(path, { method: 'POST', body, ...init });
const events = (request: string) => `/events?cf_connect=${encodeURIComponent(request)}`;
const text = (message: string): Buffer => Buffer.from(message);

/** Says what it is asked for, and ends. */
const answer: Actions = {
  connect(socket, { token }) {
    socket.send(text(`{"token":"${token}"}`), false);
    socket.end(3001, 'shutdown');
  },
};
const PUSH = '{"disconnect":{"code":3001,"reason":"shutdown"}}';

describe('a stream', () => {
  const lines = `{"token":"a"}\n${PUSH}\n`;
  const asEvents = `\r\ndata: {"token":"a"}\n\ndata: ${PUSH}\n\n`;

  it.each([
    ['POST of HTTP streaming', () => post('/stream', '{"token":"a"}'), 'uni_http_stream', lines],
    ['POST of Server-Sent Events', () => post('/events', '{"token":"a"}'), 'uni_sse', asEvents],
    ['GET of Server-Sent Events', () => ask(events('{"token":"a"}')), 'uni_sse', asEvents],
  ])('by %s carries bare pushes, the last of them why it ends', async (_how, request, transport, body) => {
    start(answer);
    const response = await request();
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(body);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-accel-buffering': 'no',
      'cache-control': 'private, no-cache, no-store, must-revalidate, max-age=0',
      pragma: 'no-cache',
      expire: '0',
      'content-type': transport === 'uni_sse' ? 'text/event-stream; charset=utf-8' : 'text/plain; charset=utf-8',
    });
    expect(sessions[0]!.peer).toEqual({
      transport,
      protocol: 'json',
      framePingPong: false,
      headers: { 'x-user': '' },
    });
    await eventually(() => expect(sessions[0]!.closes).toBe(1));
  });

  it.each(['/events', '/events?cf_connect=', '/events?cf_connect=null'])('may ask for nothing (%s)', async (path) => {
    start(answer);
    expect(await (await ask(path)).text()).toContain('{"token":""}');
    expect(sessions[0]!.requests[0]).toMatchObject({ token: '', name: '' });
    expect(sessions[0]!.requests[0]!.subs).toBeUndefined();
  });

  it('goes on, until the reader leaves', async () => {
    start();
    const response = post('/stream', '{"subs":{"a":{"recover":true,"offset":7}}}');
    await eventually(() => expect(sessions[0]?.requests).toHaveLength(1));
    expect(sessions[0]!.requests[0]!.subs).toMatchObject({ a: { recover: true, offset: 7 } });
    const { socket } = sessions[0]!;
    expect(socket.send(text('1\n2'), false)).toBe(SENT);
    const reader = (await response).body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('1\n2\n');
    await reader.cancel();
    await eventually(() => expect(sessions[0]!.closes).toBe(1));
  });

  it('of events begins at once, before there is any', async () => {
    start();
    const reader = (await ask('/events')).body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('\r\n');
    await reader.cancel();
  });

  it('tells of a session that throws, and is cut', async () => {
    const bug = new Error('bug');
    start({
      connect: () => {
        throw bug;
      },
    });
    const response = post('/stream', '{}').catch(() => undefined);
    await eventually(() => expect(bugs).toEqual([bug]));
    sessions[0]!.socket.destroy();
    expect(await response).toBeUndefined();
  });
});

describe('a request that is wrong', () => {
  it.each([
    ['POST', '/stream', ''],
    ['POST', '/stream', '{'],
    ['POST', '/stream', '[]'],
    ['POST', '/stream', '{"token":1}'],
    ['POST', '/stream', '{"subs":{"a":'],
    ['POST', '/stream', '\0\xff'],
    ['POST', '/events', ''],
    ['POST', '/events', 'x'],
  ])('%s %s with %j is 400', async (method, path, body) => {
    start();
    expect((await ask(path, { method, body })).status).toBe(400);
    expect(sessions).toEqual([]);
  });

  it.each(['%7B', '1', '%5B%5D', '%00'])('cf_connect=%s is 400', async (parameter) => {
    start();
    expect((await ask(`/events?cf_connect=${parameter}`)).status).toBe(400);
    expect(sessions).toEqual([]);
  });

  it.each([
    ['GET', '/stream'],
    ['PUT', '/stream'],
    ['PUT', '/events'],
    ['OPTIONS', '/events'],
    ['HEAD', '/events'],
    ['POST', '/init'],
    ['OPTIONS', '/init'],
  ])('%s %s is 405', async (method, path) => {
    start();
    expect((await ask(path, { method })).status).toBe(405);
  });

  it.each(['/stream', '/events'])('a body over the limit is 413 at %s', async (path) => {
    start(answer);
    expect((await post(path, `{}${' '.repeat(MAX_BODY_BYTES - 2)}`)).status).toBe(200);
    expect((await post(path, `{}${' '.repeat(MAX_BODY_BYTES - 1)}`)).status).toBe(413);
    expect(sessions).toHaveLength(1);
  });

  it.each(['/stream', '/events', '/init'])('where no connection is admitted it is 503 at %s', async (path) => {
    start({}, { admit: () => 'busy' });
    expect((await (path === '/init' ? ask(path) : post(path, '{}'))).status).toBe(503);
  });
});

describe('a connect that fails', () => {
  const refuse = (why: Parameters<RecordingSession['socket']['end']>[2]): Actions => ({
    connect: (socket) => void setImmediate(() => socket.end(3004, 'internal server error', why)),
  });
  const transforms = [
    { code: 3500, to: { status_code: 401, body: '' } },
    { code: 109, to: { status_code: 418, body: '{"token":"gone"}' } },
    { code: 109, to: { status_code: 419, body: 'the second' } },
    { code: 110, to: { status_code: 204, body: '' } },
  ];
  const enabled: Partial<UniStreamEndpoint> = { connectCodeToHttpResponse: { enabled: true, transforms } };

  it.each([
    ['with the reason where no text is configured', disconnects.invalidToken, 401, 'invalid token'],
    ['with the text that is configured first', errors.tokenExpired, 418, '{"token":"gone"}'],
    ['without a body', errors.expired, 204, ''],
    ['with 500 where nothing is configured', errors.unknownChannel, 500, 'Internal Server Error'],
    ['with 500 for an end of another kind', undefined, 500, 'Internal Server Error'],
  ])('is answered %s', async (_how, why, status, body) => {
    start(refuse(why), enabled);
    for (const path of ['/stream', '/events']) {
      const response = await post(path, '{}', { headers: { Origin: ORIGIN } });
      expect([response.status, await response.text()]).toEqual([status, body]);
      expect(response.headers.get('access-control-allow-origin')).toBe(ORIGIN);
      expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
      expect(response.headers.get('cache-control')).toBeNull();
    }
    await eventually(() => expect(sessions.map(({ closes }) => closes)).toEqual([1, 1]));
  });

  it('is told by a push where that is not configured', async () => {
    start(refuse(disconnects.invalidToken));
    const response = await post('/events', '{}');
    expect([response.status, await response.text()]).toEqual([
      200,
      '\r\ndata: {"disconnect":{"code":3004,"reason":"internal server error"}}\n\n',
    ]);
  });

  it('is no matter any more once the stream has begun', async () => {
    start(answer, enabled);
    const response = await ask(events('{"token":"a"}'));
    expect([response.status, await response.text()]).toEqual([200, `\r\ndata: {"token":"a"}\n\ndata: ${PUSH}\n\n`]);
  });

  it('may be given up by the client first', async () => {
    start({}, enabled);
    const aborted = new AbortController();
    const response = post('/stream', '{}', { signal: aborted.signal }).catch(() => 'aborted');
    await eventually(() => expect(sessions[0]?.requests).toHaveLength(1));
    aborted.abort();
    expect(await response).toBe('aborted');
    await eventually(() => expect(sessions[0]!.closes).toBe(1));
    sessions[0]!.socket.end(3500, 'invalid token', disconnects.invalidToken);
    expect(sessions[0]!.closes).toBe(1);
  });
});

describe('other origins', () => {
  it('are allowed where they are listed', async () => {
    start(answer);
    for (const origin of [ORIGIN, 'https://evil.example.com']) {
      const headers = { Origin: origin };
      const allowed = origin === ORIGIN ? ORIGIN : null;
      const answers = [
        await post('/stream', '{}', { headers }),
        await ask('/events', { headers }),
        await ask('/init', { headers }),
      ];
      for (const response of answers) expect(response.headers.get('access-control-allow-origin')).toBe(allowed);
    }
  });

  it('may ask before they POST', async () => {
    start();
    const headers = { Origin: ORIGIN, 'Access-Control-Request-Headers': 'content-type' };
    const response = await ask('/stream', { method: 'OPTIONS', headers });
    expect(response.status).toBe(204);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': 'content-type',
      'access-control-allow-methods': 'POST, OPTIONS',
      'access-control-max-age': '300',
    });
  });
});

it('a client may ask before it connects', async () => {
  start();
  const response = await ask('/init');
  expect([response.status, await response.text()]).toEqual([200, '{}']);
  expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
});
