/** What happens to subscribers that read slower than is published, and to those next to them. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { beforeAll, expect, test } from 'vitest';
import { connected, connectionToken, json, type SdkSubscription, values } from '../support/sdk.js';
import { startServer, type TestServer, WORKERS } from '../support/server.js';

let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    // Says who was disconnected, and why.
    log: { level: 'debug' },
    client: { queue_max_size: 1 << 20 },
    // So that the queue decides who is slow.
    websocket: { write_timeout: '60s' },
    channel: { without_namespace: { allow_subscribe_for_client: true } },
  });
  return () => server.stop();
});

async function slowSubscriber(channel: string): Promise<Socket> {
  const socket = connectTcp(server.port, '127.0.0.1');
  socket.write(
    'GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  );
  await once(socket, 'data');
  const connect = JSON.stringify({ id: 1, connect: { token: connectionToken('slow') } });
  const subscribe = JSON.stringify({ id: 2, subscribe: { channel } });
  const replied = new Promise<void>((resolve) => {
    const listener = (chunk: Buffer): void => {
      if (!chunk.includes('"id":2')) return;
      socket.off('data', listener);
      resolve();
    };
    socket.on('data', listener);
  });
  socket.write(textFrame(`${connect}\n${subscribe}`));
  await replied;
  socket.pause();
  return socket;
}

/** A masked text frame of less than 64 KiB. */
function textFrame(text: string): Buffer {
  const body = Buffer.from(text);
  return Buffer.concat([Buffer.of(0x81, 0x80 | 126, body.length >> 8, body.length & 255, 0, 0, 0, 0), body]);
}

const residentBytes = (): number =>
  1024 * Number(execFileSync('ps', ['-o', 'rss=', '-p', String(server.pid)], { encoding: 'utf8' }));

const CHANNEL = 'flood';
const PUBLICATIONS = 1500;
const TEXT = 'x'.repeat(32 << 10);

/** Publish 47 MiB, at the pace of those who read: they must not become slow themselves. */
async function flood(readers: SdkSubscription[], from: number): Promise<void> {
  for (let n = from; n < from + PUBLICATIONS; n += 10) {
    const commands = values(10, n).map((value) => ({ publish: { channel: CHANNEL, data: { ...value, text: TEXT } } }));
    await server.call('batch', { commands });
    await Promise.all(readers.map((reader) => reader.data(n + 10)));
  }
}

test('a peer that stops reading is closed as slow before it costs memory, while the others get everything', async () => {
  const readers: SdkSubscription[] = [];
  for (let i = 0; i < WORKERS; i++) {
    readers.push(await (await connected(server, json, `reader${i}`)).subscribe(CHANNEL));
  }
  await flood(readers, 0);
  const before = residentBytes();
  const slow = await Promise.all(Array.from({ length: 2 * WORKERS }, () => slowSubscriber(CHANNEL)));
  await flood(readers, PUBLICATIONS);
  const grown = residentBytes() - before;
  for (const { received } of readers) {
    expect(received.map(({ data }) => ({ n: (data as { n: number }).n }))).toEqual(values(2 * PUBLICATIONS));
  }
  // Kept for the slow ones it would be 47 MiB on each worker.
  expect(grown).toBeLessThan(64 << 20);
  const ends = server.log.filter(({ user, code }) => user === 'slow' && code === 3008);
  expect(ends).toHaveLength(slow.length);
  // They find it behind what the network had taken, if they read on in time.
  for (const code of await Promise.all(slow.map(closeCode))) expect([3008, undefined]).toContain(code);
  const { channels } = await server.api<{ channels: object }>('channels', { pattern: CHANNEL });
  expect(channels).toEqual({ [CHANNEL]: { num_clients: readers.length } });
});

/** The code in the close frame that ends what the socket still has; undefined where the connection was cut. */
function closeCode(socket: Socket): Promise<number | undefined> {
  let tail = Buffer.alloc(0);
  return new Promise((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      tail = Buffer.concat([tail, chunk]).subarray(-64);
    });
    socket.on('error', () => {});
    socket.once('close', () => {
      const at = tail.lastIndexOf(0x88);
      resolve(at < 0 ? undefined : tail.readUInt16BE(at + 2));
    });
    socket.resume();
  });
}
