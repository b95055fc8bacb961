/** What a hostile or broken peer sends: it is answered or closed properly, and nobody else notices. */
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import protobufjs from 'protobufjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { connected, connectionToken, json, protobuf } from '../support/sdk.js';
import { API_KEY, startServer, type TestServer } from '../support/server.js';

const SEED = 20_240_613;

let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    channel: {
      without_namespace: { allow_subscribe_for_client: true, allow_publish_for_subscriber: true },
    },
  });
  return () => server.stop();
});

const PROTOCOLS = { json: [], protobuf: ['centrifuge-protobuf'] };

async function openSocket(protocol: keyof typeof PROTOCOLS): Promise<WebSocket> {
  const socket = new WebSocket(server.websocket, PROTOCOLS[protocol]);
  await once(socket, 'open');
  return socket;
}

const closing = async (socket: WebSocket): Promise<number> => ((await once(socket, 'close')) as [number])[0];

/** A conversation that would go well. */
const commands: Record<string, unknown>[] = [
  { id: 1, connect: { token: connectionToken('fuzz') } },
  { id: 2, subscribe: { channel: 'fuzz' } },
  { id: 3, publish: { channel: 'fuzz', data: Buffer.from('{"a":[1,2,{"b":"\u00e9"}]}') } },
  { id: 4, history: { channel: 'fuzz', limit: 10 } },
  { id: 5, rpc: { method: 'm', data: Buffer.from('{}') } },
  { id: 6, unsubscribe: { channel: 'fuzz' } },
  {},
];

const command = protobufjs
  .loadSync(fileURLToPath(new URL('../protocol/client.proto', import.meta.url)))
  .lookupType('gyre.test.Command');

const good = {
  json: commands.map((one) =>
    Buffer.from(JSON.stringify(one, (key, value: unknown) => (key === 'data' ? { a: 1 } : value))),
  ),
  protobuf: commands.map((one) => Buffer.from(command.encodeDelimited(command.fromObject(one)).finish())),
};

interface Mutation {
  kind: 'cut' | 'flip' | 'insert' | 'repeat' | 'none';
  at: number;
  byte: number;
}

const mutation = fc.record<Mutation>({
  kind: fc.constantFrom('cut', 'flip', 'insert', 'repeat', 'none'),
  /** Permille of the frame. */
  at: fc.nat(999),
  byte: fc.integer({ min: 0, max: 255 }),
});

function mutate(frame: Buffer, { kind, at, byte }: Mutation): Buffer {
  const index = Math.floor((at * frame.length) / 1000);
  const [head, tail] = [frame.subarray(0, index), frame.subarray(index)];
  switch (kind) {
    case 'cut':
      return head;
    case 'flip': {
      const copy = Buffer.from(frame);
      if (copy.length > 0) copy[index]! ^= byte;
      return copy;
    }
    case 'insert':
      return Buffer.concat([head, Buffer.of(byte), tail]);
    case 'repeat':
      return Buffer.concat([frame, tail]);
    default:
      return frame;
  }
}

/** Mostly with a good start, because nothing is listened to before the connect. */
const frames = (protocol: keyof typeof PROTOCOLS) => {
  const frame = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(fc.constantFrom(...good[protocol]), mutation).map(([f, m]) => mutate(f, m)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)) },
  );
  const rest = fc.array(frame, { minLength: 1, maxLength: 8 });
  const starts = [0, 1, 2, 3].map((count) => fc.constant(good[protocol].slice(0, count)));
  return fc.tuple(fc.oneof(...starts), rest).map(([start, more]) => [...start, ...more]);
};

/** Ends every conversation that has not ended by itself. */
const POISON = { json: Buffer.from('poison'), protobuf: Buffer.from('ffff', 'hex') };

describe.each(['json', 'protobuf'] as const)('%s', (protocol) => {
  test('whatever frames come, the connection ends with a code that says it, and others are served', async () => {
    const flavour = protocol === 'json' ? json : protobuf;
    const watcher = await (await connected(server, flavour, 'watcher')).subscribe(`steady-${protocol}`);
    let published = 0;
    let answers = 0;
    const codes = new Set<number>();
    const converse = async (conversation: Buffer[]): Promise<void> => {
      const socket = await openSocket(protocol);
      socket.on('message', () => answers++);
      const closed = closing(socket);
      for (const frame of [...conversation, POISON[protocol]]) socket.send(frame);
      codes.add(await closed);
    };
    const conversations = fc.sample(frames(protocol), { numRuns: 400, seed: SEED });
    for (let at = 0; at < conversations.length; at += 20) {
      await Promise.all(conversations.slice(at, at + 20).map(converse));
      await server.publish(`steady-${protocol}`, { n: published++ });
      expect(await watcher.data(published)).toHaveLength(published);
    }
    // Invalid token, bad request: what a frame that cannot be read leads to as well.
    expect([...codes].sort()).toEqual([3500, 3501]);
    expect(answers).toBeGreaterThan(conversations.length / 2);
    // But for limits of the system that are too low here, which are told at the start.
    expect(server.log.filter(({ level, limit }) => level >= 40 && limit === undefined)).toEqual([]);
  });

  test('a message over the limit closes with 1009', async () => {
    const socket = await openSocket(protocol);
    const closed = closing(socket);
    socket.send(Buffer.alloc(65_537, 0x20));
    expect(await closed).toBe(1009);
  });
});

describe('the HTTP API', () => {
  const key = { 'X-API-Key': API_KEY };
  const status = async (body: string | Buffer, headers: Record<string, string> = key, path = '/api/publish') =>
    (await server.request('POST', path, body, headers)).status;

  test('malformed bodies are 400', async () => {
    const bodies = ['', '{', '[]', '"text"', '{"channel":1}', '{"channel":"a","data":}', '{"channel":"a"} x'];
    const nested = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const all = [...bodies, `{"channel":"a","data":${nested}}`, Buffer.from([0x7b, 0xff, 0xfe, 0x7d])];
    for (const body of all) expect(await status(body), String(body).slice(0, 40)).toBe(400);
  });

  test('a wrong key is 401, whatever is asked', async () => {
    const good = JSON.stringify({ channel: 'a', data: {} });
    for (const headers of [{}, { 'X-API-Key': '' }, { 'X-API-Key': `${API_KEY}x` }, { Authorization: 'apikey x' }]) {
      expect(await status(good, headers as Record<string, string>)).toBe(401);
      expect(await status('{', headers as Record<string, string>)).toBe(401);
    }
    expect(await status(good)).toBe(200);
  });

  test('unknown paths are 404, other methods 405', async () => {
    for (const path of ['/nothing', '/api/nothing', '/api/publish/more', '/%00', `/${'a'.repeat(2000)}`]) {
      expect((await server.request('GET', path)).status, path).toBe(404);
      expect(await status('{}', key, path), path).toBe(404);
    }
    expect((await server.request('GET', '/api/publish', undefined, key)).status).toBe(405);
  });

  test('a body that announces more than is taken is refused without being read', async () => {
    const socket = connectTcp(server.port, '127.0.0.1');
    socket.write(
      `POST /api/publish HTTP/1.1\r\nHost: a\r\nX-API-Key: ${API_KEY}\r\nContent-Length: 100000000\r\n\r\n{`,
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
  });

  test('a publication that is too large for the way between threads arrives all the same', async () => {
    const watcher = await (await connected(server, json, 'large')).subscribe('large');
    const text = 'x'.repeat(8 << 20);
    await server.publish('large', { text });
    expect(await watcher.data(1)).toEqual([{ text }]);
  });
});
