/** What must not take the server down: sessions that throw, and peers that break the framing. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/until.js';
import {
  type Actions,
  closing,
  connect,
  frame,
  message,
  open,
  RawClient,
  startServer,
  type TestServer,
} from './server.js';

const FIN = 0x80;
const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10];

const boom = () => {
  throw new Error('boom');
};

describe('a session that throws', () => {
  let server: TestServer;
  afterEach(() => server.close());

  const throwing: [keyof Actions, (server: TestServer) => Promise<void>][] = [
    [
      'open',
      async () => {
        await expect(open(server.ws)).rejects.toThrow('socket hang up');
      },
    ],
    [
      'receive',
      async () => {
        (await open(server.ws)).send('x');
      },
    ],
    [
      'ponged',
      async () => {
        (await open(server.ws)).pong();
      },
    ],
    [
      'closed',
      async () => {
        (await open(server.ws)).close();
      },
    ],
  ];

  it.each(throwing)('in %s is reported, and the server goes on', async (name, provoke) => {
    server = startServer({ on: { [name]: boom } });
    await provoke(server);
    await eventually(() => expect(server.errors).toEqual([new Error('boom')]));
    expect((await fetch(server.url)).status).toBe(404);
  });

  it('in drained is reported', async () => {
    const receive: Actions['receive'] = (socket) => {
      while (socket.send(Buffer.alloc(1024 * 1024), true) !== 0);
    };
    server = startServer({ on: { receive, drained: boom } });
    const client = await open(server.ws);
    client.send('fill');
    await eventually(() => expect(server.errors).toEqual([new Error('boom')]));
  });

  it('in closed after its own end is reported', async () => {
    server = startServer({ on: { receive: (socket) => socket.end(3000, ''), closed: boom } });
    const client = await open(server.ws);
    client.send('x');
    expect((await closing(client))[0]).toBe(3000);
    expect(server.errors).toEqual([new Error('boom')]);
  });

  it.each(['admit', 'allowsOrigin'])('so is %s that throws, and the client gets 500', async (name) => {
    server = startServer({ [name]: boom });
    expect(await connect(server.ws)).toMatchObject({ status: 500 });
    expect(server.errors).toEqual([new Error('boom')]);
  });
});

describe('framing', () => {
  let server: TestServer;
  beforeEach(() => {
    server = startServer({ on: { receive: (socket, text) => void socket.send(Buffer.from(text), false) } });
  });
  afterEach(async () => {
    // Alive and well after whatever the test did.
    const client = await open(server.ws);
    client.send('alive');
    expect(await message(client)).toBe('alive');
    server.close();
    expect(server.errors).toEqual([]);
  });

  const cut = (whole: Buffer, bytes: number) => whole.subarray(0, bytes);
  const hugeLength = Buffer.concat([Buffer.of(FIN | TEXT, 0xff), Buffer.alloc(8, 0xff), Buffer.alloc(4)]);

  const faults: [string, Buffer[]][] = [
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, Buffer[]] => [
      `reserved opcode ${opcode}`,
      [frame(FIN | opcode, 'x')],
    ]),
    ['reserved bit 1 without compression', [frame(FIN | 0x40 | TEXT, 'x')]],
    ['reserved bit 2', [frame(FIN | 0x20 | TEXT, 'x')]],
    ['reserved bit 3', [frame(FIN | 0x10 | TEXT, 'x')]],
    ['all reserved bits on a ping', [frame(FIN | 0x70 | PING, 'x')]],
    ['ping over 125 bytes', [frame(FIN | PING, 'x'.repeat(126))]],
    ['pong over 125 bytes', [frame(FIN | PONG, 'x'.repeat(126))]],
    ['close over 125 bytes', [frame(FIN | CLOSE, 'x'.repeat(126))]],
    ['fragmented ping', [frame(PING, 'x')]],
    ['fragmented close', [frame(CLOSE, 'x')]],
    ['continuation of nothing', [frame(FIN | CONTINUATION, 'x')]],
    ['new message inside a fragmented one', [frame(TEXT, 'x'), frame(FIN | TEXT, 'y')]],
    ['text that is not UTF-8', [frame(FIN | TEXT, Buffer.of(0xc3, 0x28))]],
    ['text that is not UTF-8 across fragments', [frame(TEXT, Buffer.of(0xc3)), frame(FIN | CONTINUATION, '(')]],
    ['a length of 2^64-1', [hugeLength]],
    ['close with one byte', [frame(FIN | CLOSE, 'x')]],
    ['close with code 1005', [frame(FIN | CLOSE, Buffer.of(0x03, 0xed))]],
    ['close with code 0', [frame(FIN | CLOSE, Buffer.of(0, 0))]],
    ['close with a reason that is not UTF-8', [frame(FIN | CLOSE, Buffer.of(0x03, 0xe8, 0xc3, 0x28))]],
  ];

  it.each(faults)('%s ends the connection', async (_, frames) => {
    const client = await new RawClient(server.port).upgrade();
    for (const bytes of frames) client.write(bytes);
    const answer = await client.ended;
    client.destroy();
    // At most a close frame comes back, nothing of what was sent.
    if (answer.length > 0) expect(answer[0]).toBe(FIN | CLOSE);
    await eventually(() => expect(server.sessions[0]?.closes).toBe(1));
    expect(server.sessions[0]?.messages).toEqual([]);
  });

  it('an unmasked frame is not taken for a message', async () => {
    const client = await new RawClient(server.port).upgrade();
    // The library takes the first four bytes for a mask and waits for the rest.
    client.write(frame(FIN | TEXT, 'abcdefgh', false));
    client.socket.end();
    await client.ended;
    client.destroy();
    await eventually(() => expect(server.sessions[0]?.closes).toBe(1));
    expect(server.sessions[0]?.messages).toEqual([]);
  });

  it('frames that arrive byte by byte are put together', async () => {
    const client = await new RawClient(server.port).upgrade();
    client.socket.setNoDelay(true);
    for (const byte of frame(FIN | BINARY, 'hello')) client.write(Buffer.of(byte));
    expect(await client.until('hello')).toContain('hello');
    client.destroy();
  });

  it('control frames between fragments are handled', async () => {
    const client = await new RawClient(server.port).upgrade();
    client.write(Buffer.concat([frame(TEXT, 'he'), frame(FIN | PING, 'p'), frame(FIN | CONTINUATION, 'llo')]));
    await client.until('hello');
    client.destroy();
  });

  it('a peer that leaves in the middle of a frame is gone', async () => {
    const client = await new RawClient(server.port).upgrade();
    client.write(cut(frame(FIN | TEXT, 'hello'), 7));
    client.socket.end();
    await client.ended;
    await eventually(() => expect(server.sessions[0]?.closes).toBe(1));
    expect(server.sessions[0]?.messages).toEqual([]);
    client.destroy();
  });

  it('an endless stream of fragments is bounded', async () => {
    const client = await new RawClient(server.port).upgrade();
    const piece = frame(CONTINUATION, 'x'.repeat(60_000));
    client.write(frame(TEXT, 'x'));
    const pump = () => {
      while (client.socket.writable && client.socket.write(piece));
    };
    client.socket.on('drain', pump);
    pump();
    await client.ended;
    client.destroy();
    await eventually(() => expect(server.sessions[0]?.closes).toBe(1));
  });
});
