/** What pages of other origins are told at each endpoint that they may POST to or read from. */
import { afterEach, describe, expect, it } from 'vitest';
import { emulationRoute } from '../../src/transport/emulation.js';
import { compileOrigins } from '../../src/transport/origins.js';
import { httpStreamRoute, type StreamEndpoint, sseRoute } from '../../src/transport/streams.js';
import { RecordingSession, startServer, type TestServer } from './server.js';

let server: TestServer;
afterEach(() => server.close());

function start(patterns: readonly string[]): void {
  const allowsOrigin = compileOrigins(patterns);
  const endpoint: Omit<StreamEndpoint, 'path'> = {
    maxBodyBytes: 1000,
    headers: [],
    allowsOrigin,
    admit: () => 'ok',
    open: (socket, peer) =>
      new RecordingSession(socket, peer, { receive: (socket) => void socket.end(3001, 'shutdown') }),
    onError: (error) => {
      throw error;
    },
  };
  server = startServer({
    routes: [
      httpStreamRoute({ ...endpoint, path: '/http_stream' }),
      sseRoute({ ...endpoint, path: '/sse' }),
      emulationRoute({ path: '/emulation', maxBodyBytes: 1000, allowsOrigin, pass: async () => true }),
    ],
  });
}

async function ask(method: string, path: string, headers: Record<string, string>) {
  const query = method === 'GET' ? '?cf_connect=%7B%22id%22%3A1%7D' : '';
  const body = method === 'POST' ? '{"id":1}' : null;
  const response = await fetch(server.url + path + query, { method, body, headers });
  await response.arrayBuffer();
  const told = [...response.headers].filter(([name]) => name.startsWith('access-control-'));
  return { status: response.status, told: Object.fromEntries(told.map(([name, value]) => [name.slice(15), value])) };
}

const requests: [method: string, path: string, status: number][] = [
  ['POST', '/http_stream', 200],
  ['POST', '/sse', 200],
  ['GET', '/sse', 200],
  ['POST', '/emulation', 204],
];
const preflights: [path: string][] = [['/http_stream'], ['/emulation']];
const MAY_POST = { 'allow-methods': 'POST, OPTIONS', 'max-age': '300' };

const APP = 'https://app.example';
const allowed: [why: string, patterns: string[], origin: string][] = [
  ['named', ['https://other.example', APP], APP],
  ['named in another case', ['https://App.Example'], 'HTTPS://APP.EXAMPLE'],
  ['of any subdomain', ['https://*.app.example'], 'https://a.app.example'],
  ['any', ['*'], 'https://anything.example'],
  ['any, of a sandboxed page', ['*'], 'null'],
];
const refused: [why: string, patterns: string[], origin: string | undefined][] = [
  ['not named', [APP], 'https://evil.example'],
  ['named with another scheme', [APP], 'http://app.example'],
  ['that only begins like a name', [APP], 'https://app.example.evil.example'],
  ['not a subdomain', ['https://*.app.example'], APP],
  ['when none is named', [], APP],
  ['missing', [APP], undefined],
  ['missing where any is allowed', ['*'], undefined],
];

describe.each(allowed)('an origin %s: %j allows %s', (_, patterns, origin) => {
  it.each(requests)('the page may read the answer to %s %s', async (method, path, status) => {
    start(patterns);
    expect(await ask(method, path, { Origin: origin })).toEqual({
      status,
      // Its own origin and never `*`, with which browsers send no credentials.
      told: { 'allow-origin': origin, 'allow-credentials': 'true' },
    });
  });

  it.each(preflights)('it may send what it wants to %s', async (path) => {
    start(patterns);
    const headers = { Origin: origin, 'Access-Control-Request-Headers': 'content-type, x-user' };
    expect(await ask('OPTIONS', path, headers)).toEqual({
      status: 204,
      told: {
        ...MAY_POST,
        'allow-origin': origin,
        'allow-credentials': 'true',
        'allow-headers': 'content-type, x-user',
      },
    });
  });
});

describe.each(refused)('an origin %s: %j does not allow %s', (_, patterns, origin) => {
  const headers = origin === undefined ? {} : { Origin: origin };

  it.each(requests)('%s %s is answered, and the browser keeps that to itself', async (method, path, status) => {
    start(patterns);
    expect(await ask(method, path, headers)).toEqual({ status, told: {} });
  });

  it.each(preflights)('nothing is allowed of %s', async (path) => {
    start(patterns);
    expect(await ask('OPTIONS', path, { ...headers, 'Access-Control-Request-Headers': 'x-user' })).toEqual({
      status: 204,
      told: MAY_POST,
    });
  });
});
