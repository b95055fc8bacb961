import { PassThrough } from 'node:stream';
import { status } from '@grpc/grpc-js';
import { expect, onTestFinished, test } from 'vitest';
import { BUFFERED, type Peer, type Session, type Socket } from '../../src/clients/socket.js';
import { addUniStream, type UniEndpoint } from '../../src/grpc/uni.js';
import { type UniCall, UniConnection } from '../../src/grpc/uni-connection.js';
import { protobufCodec } from '../../src/protocol/codecs.js';
import type { Bytes, ConnectRequest } from '../../src/protocol/messages.js';
import { UniClient } from '../support/grpc.js';
import { until } from '../support/until.js';
import { listening } from './serving.js';

const PEER: Peer = {
  transport: 'uni_grpc',
  protocol: 'protobuf',
  framePingPong: false,
  headers: {},
};

class FakeSession implements Session {
  readonly requests: ConnectRequest[] = [];
  readonly told: string[] = [];

  constructor(
    readonly socket: Socket,
    readonly peer: Peer,
  ) {}

  connect(request: ConnectRequest): void {
    this.requests.push(request);
  }

  receive(): void {
    this.told.push('receive');
  }

  drained(): void {
    this.told.push('drained');
  }

  ponged(): void {
    this.told.push('ponged');
  }

  closed(): void {
    this.told.push('closed');
  }
}

const push = (text: string): Bytes => protobufCodec.encodePush({ message: { data: Buffer.from(text) } }, true);
const publication = (offset: number, bytes = 2): Bytes =>
  protobufCodec.encodePush({ channel: 'a', pub: { offset, data: Buffer.alloc(bytes, '1') } }, true);

async function serve(endpoint: Partial<UniEndpoint> = {}) {
  const sessions: FakeSession[] = [];
  const errors: unknown[] = [];
  const { listener, port } = await listening((server) =>
    addUniStream(server, {
      metadata: [],
      admit: () => 'ok',
      open: (socket, peer) => {
        const session = new FakeSession(socket, peer);
        sessions.push(session);
        return session;
      },
      onError: (error) => void errors.push(error),
      ...endpoint,
    }),
  );
  const client = new UniClient(port);
  onTestFinished(() => client.close());
  const opened = async (): Promise<FakeSession> => {
    await until('a session', () => sessions.length > 0);
    return sessions[0]!;
  };
  return { client, opened, sessions, errors, listener };
}

test('the request to connect is handed on, with what is known of the peer', async () => {
  const { client, opened } = await serve();
  const subs = { a: { recover: true, epoch: 'ab', offset: 2 ** 40 }, b: {} };
  client.consume({ token: 't', data: Buffer.from('d'), subs, name: 'n', version: 'v', headers: { h: '1' } });
  const { requests, peer } = await opened();
  expect(requests).toHaveLength(1);
  expect(requests[0]).toMatchObject({ token: 't', name: 'n', version: 'v', headers: { h: '1' } });
  expect(Buffer.from(requests[0]!.data!).toString()).toBe('d');
  expect(requests[0]!.subs!.a).toMatchObject({ recover: true, epoch: 'ab', offset: 2 ** 40 });
  expect(requests[0]!.subs!.b).toMatchObject({ recover: false, epoch: '', offset: 0 });
  expect(peer).toMatchObject({ transport: 'uni_grpc', protocol: 'protobuf' });
});

test('of its metadata the session is given what is asked for, the first value of each', async () => {
  const { client, opened } = await serve({ metadata: ['x-a', 'x-none'] });
  client.consume({}, { 'X-A': '1', 'x-b': '2' });
  const { peer } = await opened();
  expect(peer.headers).toEqual({ 'x-a': '1' });
});

test('each message of a frame is one of gRPC, a ping is an empty one', async () => {
  const { client, opened } = await serve();
  const stream = client.consume();
  const { socket } = await opened();
  socket.send(protobufCodec.join([publication(1), publication(2, 70_000), protobufCodec.ping]), true);
  socket.send(publication(3), true);
  await stream.push(3);
  expect(stream.pushes.map(({ pub }) => pub?.offset)).toEqual([1, 2, undefined, 3]);
  expect(stream.pushes[1].pub.data).toHaveLength(70_000);
  expect(stream.pushes[2]).toEqual({});
});

test('the end is said by a push, after all that was written, and the status is OK', async () => {
  const { client, opened } = await serve();
  const stream = client.consume();
  const { socket, told } = await opened();
  for (let offset = 1; offset <= 100; offset++) socket.send(publication(offset, 10_000), true);
  socket.end(3001, 'shutdown');
  expect((await stream.status).code).toBe(status.OK);
  expect(stream.pushes).toHaveLength(101);
  expect(stream.pushes[100]).toEqual({ disconnect: { code: 3001, reason: 'shutdown' } });
  await until('closed', () => told.at(-1) === 'closed');
  expect(told.filter((what) => what === 'closed')).toHaveLength(1);
});

test('a client that goes away is noticed once', async () => {
  const { client, opened } = await serve();
  const stream = client.consume();
  const { socket, told } = await opened();
  stream.call.cancel();
  await until('closed', () => told.includes('closed'));
  expect(socket.send(push('x'), true)).toBe(2);
  socket.end(3001, 'shutdown');
  socket.destroy();
  await stream.status;
  expect(told).toEqual(['closed']);
});

test('a client that does not read blocks its own stream, which can be cut off, and no other', async () => {
  const { client, opened, sessions } = await serve();
  const slow = client.consume();
  const { socket, told } = await opened();
  slow.call.pause();
  // More than both ends keep of a stream.
  const flood = (): boolean[] =>
    Array.from({ length: 20 }, () => socket.send(publication(1, 1 << 20), true) === BUFFERED);
  expect(flood()).not.toContain(false);

  const other = client.consume();
  await until('another session', () => sessions.length > 1);
  sessions[1]!.socket.send(publication(7), true);
  expect((await other.push(0)).pub.offset).toBe(7);

  expect(told).toEqual([]);
  slow.call.resume();
  await until('drained', () => told.includes('drained'));
  slow.call.pause();
  flood();
  socket.destroy();
  await until('closed', () => told.includes('closed'));
  slow.call.resume();
  expect((await slow.status).code).toBe(status.CANCELLED);

  sessions[1]!.socket.send(publication(8), true);
  expect((await other.push(1)).pub.offset).toBe(8);
});

test('a polite end of a client that does not read can be cut short', async () => {
  const { client, opened } = await serve();
  const stream = client.consume();
  const { socket, told } = await opened();
  stream.call.pause();
  socket.send(publication(1, 1_000_000), true);
  socket.end(3008, 'slow');
  socket.destroy();
  await until('closed', () => told.includes('closed'));
});

test('no session for a client that left before', () => {
  const stream = new PassThrough().destroy();
  const opened: Peer[] = [];
  const connection = new UniConnection({ call: { stream } } as unknown as UniCall, () => {});
  connection.open((socket, peer) => {
    opened.push(peer);
    return new FakeSession(socket, peer);
  }, PEER);
  expect(opened).toEqual([]);
});

test('malformed requests, too many connections, and sessions that fail', async () => {
  const { client, sessions } = await serve();
  expect((await client.consume(Buffer.of(0x0a, 0x05, 0x61)).status).code).toBe(status.INTERNAL);
  expect(sessions).toEqual([]);

  const { client: refused, sessions: none } = await serve({ admit: () => 'busy' });
  expect((await refused.consume().status).code).toBe(status.UNAVAILABLE);
  expect(none).toEqual([]);

  const bug = new Error('a bug');
  const { client: failed, errors } = await serve({
    open: () => {
      throw bug;
    },
  });
  expect((await failed.consume().status).code).toBe(status.CANCELLED);
  expect(errors).toEqual([bug]);
});
