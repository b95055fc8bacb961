import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';
import { BUFFERED, SENT } from '../../src/clients/socket.js';
import type { UniWebSocketOptions } from '../../src/transport/uni-connection.js';
import { eventually } from '../support/until.js';
import { type Actions, closing, connect, open, RawClient, startServer, type TestServer } from './server.js';

let server: TestServer;
afterEach(() => {
  server.close();
  expect(server.errors).toEqual([]);
});

const start = (on: Actions = {}, uni: Partial<UniWebSocketOptions> = {}, options = {}): void => {
  server = startServer({ on, uni, ...options });
};

const parameter = (request: string): string => `?cf_connect=${encodeURIComponent(request)}`;

interface Heard {
  client: WebSocket;
  messages: string[];
  closed: Promise<[number, string]>;
}

/** Open, with `say` as the first message. Nothing that comes is missed. */
async function hear(query = '', say?: string, options: ClientOptions = {}): Promise<Heard> {
  const messages: string[] = [];
  const client = new WebSocket(server.uni + query, { perMessageDeflate: false, ...options });
  client.on('message', (data) => messages.push(data.toString()));
  await once(client, 'open');
  if (say !== undefined) client.send(say);
  return { client, messages, closed: closing(client) };
}

const text = (...messages: string[]): Buffer => Buffer.from(messages.join('\n'));
/** Says what it is asked for, and ends. */
const answer: Actions = {
  connect(socket, request) {
    socket.send(text(`{"token":"${request.token}"}`), false);
    socket.end(3001, 'shutdown');
  },
};
const PUSH = '{"disconnect":{"code":3001,"reason":"shutdown"}}';

describe('a connect request', () => {
  it.each([
    ['the first message', '', '{"token":"a"}'],
    ['the URL', parameter('{"token":"a"}'), undefined],
  ])('comes by %s; a push and a close frame say why it ends', async (_where, query, say) => {
    start(answer);
    const { messages, closed } = await hear(query, say);
    expect(await closed).toEqual([3001, 'shutdown']);
    expect(messages).toEqual(['{"token":"a"}', PUSH]);
    expect(server.sessions[0]!.peer).toEqual({
      transport: 'uni_websocket',
      protocol: 'json',
      framePingPong: false,
      headers: {},
    });
    await eventually(() => expect(server.sessions[0]!.closes).toBe(1));
  });

  it('may be null, and what comes after it is not heard', async () => {
    start();
    const { client } = await hear('', 'null');
    client.send('{"token":"later"}');
    client.send('not JSON');
    client.ping();
    await new Promise((resolve) => client.once('pong', resolve));
    const [session] = server.sessions;
    expect(session!.requests).toMatchObject([{ token: '' }]);
    expect(session!.messages).toEqual([]);
  });

  it('in the URL leaves nothing to be said', async () => {
    start();
    const { client } = await hear(parameter('{"name":"url"}'));
    client.send('{"name":"message"}');
    client.ping();
    await new Promise((resolve) => client.once('pong', resolve));
    expect(server.sessions[0]!.requests.map(({ name }) => name)).toEqual(['url']);
  });

  it('keeps its payload after the message is gone', async () => {
    start();
    const { client } = await hear('', '{"data":{"deep":[1]}}');
    client.send('x'.repeat(60_000));
    client.ping();
    await new Promise((resolve) => client.once('pong', resolve));
    expect(String(server.sessions[0]!.requests[0]!.data)).toBe('{"deep":[1]}');
  });

  it.each(['', '{', '[]', '{"token":1}', '{} x'])('that is malformed (%j) closes with 3501', async (say) => {
    start();
    const { messages, closed } = await hear('', say);
    expect(await closed).toEqual([3501, 'bad request']);
    expect(messages).toEqual([]);
    expect(server.sessions[0]!.requests).toEqual([]);
  });

  it('that is malformed in the URL is refused before the upgrade', async () => {
    start();
    expect(await connect(server.uni + parameter('{'))).toEqual({ status: 400, body: 'invalid connect request\n' });
    expect(server.sessions).toEqual([]);
  });

  it('over the limit closes with 1009', async () => {
    start({}, { message_size_limit: 100 });
    const { closed } = await hear('', ' '.repeat(101));
    expect(await closed).toEqual([1009, '']);
  });
});

describe('the handshake', () => {
  it('chooses no subprotocol, speaks no Protobuf and pings as it likes', async () => {
    start();
    const client = await open(`${server.uni}?cf_protocol=protobuf&cf_ws_frame_ping_pong=true`);
    expect(client.protocol).toBe('');
    expect(server.sessions[0]!.peer).toMatchObject({ protocol: 'json', framePingPong: false });
  });

  it('refuses other origins and too many connections', async () => {
    start({}, {}, { allowsOrigin: (origin: string) => origin === 'https://app.example' });
    expect(await connect(server.uni, [], { origin: 'https://evil.example' })).toMatchObject({ status: 403 });
    expect(await connect(server.uni, [], { origin: 'https://app.example' })).toHaveProperty('readyState', 1);
    server.close();
    start({}, {}, { admit: () => 'busy' });
    expect(await connect(server.uni)).toMatchObject({ status: 503 });
  });
});

describe('messages of one frame', () => {
  const three = text('{"n":1}', '{}', '{"n":3}');
  const say: Actions = {
    connect(socket) {
      expect(socket.send(three, false)).toBe(SENT);
      socket.end(3001, 'shutdown');
    },
  };

  it('are messages of their own', async () => {
    start(say);
    const { messages, closed } = await hear('', '{}');
    await closed;
    expect(messages).toEqual(['{"n":1}', '{}', '{"n":3}', PUSH]);
  });

  it('stay together where that is configured', async () => {
    start(say, { join_push_messages: true });
    const { messages, closed } = await hear('', '{}');
    await closed;
    expect(messages).toEqual([three.toString(), PUSH]);
  });

  it('are compressed one by one', async () => {
    const long = `{"text":"${'a'.repeat(500)}"}`;
    start(
      { connect: (socket) => void socket.send(text(long, '{}', long), false) },
      { compression: true, compression_min_size: 100 },
    );
    const { client, messages } = await hear('', '{}', { perMessageDeflate: true });
    await eventually(() => expect(messages).toEqual([long, '{}', long]));
    expect(client.extensions).toContain('permessage-deflate');
  });

  it('tell that not all of them have left, and when they have', async () => {
    const large = `"${'x'.repeat(500_000)}"`;
    const results: number[] = [];
    start({
      // Outside of the library's callbacks, as at the end of a turn.
      connect: (socket) =>
        void setImmediate(() => {
          for (let i = 0; i < 20; i++) results.push(socket.send(text(large, large), false));
        }),
    });
    const { client, messages } = await hear('', '{}');
    client.pause();
    await eventually(() => expect(results).toHaveLength(20));
    expect(results.at(-1)).toBe(BUFFERED);
    client.resume();
    await eventually(() => expect(messages).toHaveLength(40));
    expect(messages.every((message) => message === large)).toBe(true);
    await eventually(() => expect(server.sessions[0]!.drains).toBeGreaterThan(0));
  });
});

describe('the end', () => {
  it.each([
    ['by default', {}, [PUSH], 3001],
    ['without a push', { disable_disconnect_push: true }, [], 3001],
    ['without a close frame', { disable_closing_handshake: true }, [PUSH], 1006],
    ['without either', { disable_disconnect_push: true, disable_closing_handshake: true }, [], 1006],
  ])('%s', async (_how, options, pushes, code) => {
    start({}, options);
    const { messages, closed } = await hear();
    server.sessions[0]!.socket.end(3001, 'shutdown');
    expect((await closed)[0]).toBe(code);
    expect(messages).toEqual(pushes);
    await eventually(() => expect(server.sessions[0]!.closes).toBe(1));
  });

  it('without a close frame loses nothing of what was said in answer to the upgrade', async () => {
    start(answer, { disable_closing_handshake: true });
    const raw = new RawClient(server.port);
    raw.write(
      `GET /uni${parameter('{"token":"a"}')} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    expect((await raw.ended).toString('latin1')).toMatch(
      /^HTTP\/1\.1 101 [\s\S]*\{"token":"a"\}[\s\S]*"shutdown"\}\}$/,
    );
    raw.destroy();
  });

  it('by the peer is told once', async () => {
    start();
    const { client } = await hear('', '{}');
    client.close();
    await eventually(() => expect(server.sessions[0]!.closes).toBe(1));
    server.sessions[0]!.socket.end(3001, '');
    server.sessions[0]!.socket.destroy();
    expect(server.sessions[0]!.closes).toBe(1);
  });
});

it('has native pings', async () => {
  start();
  const { client } = await hear('', '{}');
  const pinged = new Promise((resolve) => client.once('ping', resolve));
  server.sessions[0]!.socket.ping();
  await pinged;
  await eventually(() => expect(server.sessions[0]!.pongs).toBe(1));
});
