/** What happens to subscribers that read slower than is published, and to those next to them. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { beforeAll, expect, test } from 'vitest';
import { connected, connectionToken, json, type SdkSubscription } from '../support/sdk.js';
import { startServer, type TestServer } from '../support/server.js';

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

const residentBytes = (): number => {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))!;
  return Number(kilobytes) * 1024;
};

test('a peer that stops reading is closed as slow before it costs memory, while the others get everything', async () => {
  const channel = 'flood';
  const fast: SdkSubscription[] = [];
  for (let i = 0; i < 4; i++) fast.push(await (await connected(server, json, `fast${i}`)).subscribe(channel));
  const slow = await Promise.all(Array.from({ length: 8 }, () => slowSubscriber(channel)));
  const before = residentBytes();
  const text = 'x'.repeat(16 << 10);
  const count = 2000; // 32 MiB for each subscriber
  for (let n = 0; n < count; n += 20) {
    const commands = Array.from({ length: 20 }, (_, i) => ({ publish: { channel, data: { n: n + i, text } } }));
    await server.call('batch', { commands });
    // At the pace of those who read: they must not become slow themselves.
    await Promise.all(fast.map((subscription) => subscription.data(n + 20)));
  }
  for (const subscription of fast) {
    const order = subscription.received.map(({ data }) => (data as { n: number }).n);
    expect(order).toEqual(Array.from({ length: count }, (_, n) => n));
  }
  // 8 slow ones with 32 MiB each would be 256 MiB.
  expect(residentBytes() - before).toBeLessThan(128 << 20);
  const ends = server.log.filter(({ user, code }) => user === 'slow' && code === 3008);
  expect(ends).toHaveLength(slow.length);
  // They find it behind what the network had taken, if they read on in time.
  for (const code of await Promise.all(slow.map(closeCode))) expect([3008, undefined]).toContain(code);
  const { channels } = await server.api<{ channels: object }>('channels', { pattern: channel });
  expect(channels).toEqual({ [channel]: { num_clients: fast.length } });
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
