import { beforeEach, describe, expect, test } from 'vitest';
import { JOINED_MAX_BYTES, LARGE_BYTES, LARGE_JOINED_MAX_BYTES, Outbox } from '../../src/clients/outbox.js';
import { BUFFERED, DROPPED, SENT } from '../../src/clients/socket.js';
import { Turn } from '../../src/lib/turn.js';
import { type Disconnect, disconnects } from '../../src/protocol/codes.js';
import { jsonCodec } from '../../src/protocol/json.js';
import { FakeSocket } from '../support/fake-socket.js';

const QUEUE_MAX_BYTES = LARGE_JOINED_MAX_BYTES;

let socket: FakeSocket;
let turn: Turn;
let outbox: Outbox;
let failures: Disconnect[];
let blocked: number;

beforeEach(() => {
  socket = new FakeSocket();
  turn = new Turn({ before() {}, after() {} }, () => {});
  failures = [];
  blocked = 0;
  const owner = {
    codec: jsonCodec,
    socket,
    outboxFailed: (why: Disconnect) => void failures.push(why),
    outboxBlocked: () => void blocked++,
  };
  outbox = new Outbox(owner, turn, QUEUE_MAX_BYTES);
});

const written = (): string[] => socket.frames.map(String);

describe('joining', () => {
  test('frames of a turn are one write', () => {
    outbox.write(Buffer.from('1'));
    outbox.write(Buffer.from('2'));
    outbox.write(Buffer.from('3'));
    expect(written()).toEqual([]);
    turn.runNow();
    expect(written()).toEqual(['1\n2\n3']);
    expect(socket.binary).toBe(false);
  });

  test('a single frame is written as it is, and every turn anew', () => {
    outbox.write(Buffer.from('1'));
    turn.runNow();
    turn.runNow();
    outbox.write(Buffer.from('2'));
    turn.runNow();
    expect(written()).toEqual(['1', '2']);
  });

  test('a frame that is to leave at once does, if nothing is ahead of it', () => {
    expect(outbox.idle).toBe(true);
    outbox.writeNow(Buffer.from('1'));
    expect(written()).toEqual(['1']);
    outbox.write(Buffer.from('2'));
    expect(outbox.idle).toBe(false);
    outbox.writeNow(Buffer.from('3'));
    turn.runNow();
    expect(written()).toEqual(['1', '2\n3']);
    socket.answer = BUFFERED;
    outbox.writeNow(Buffer.from('4'));
    expect([outbox.idle, outbox.blocked]).toEqual([false, true]);
    outbox.writeNow(Buffer.from('5'));
    socket.answer = SENT;
    outbox.drained();
    expect(written()).toEqual(['1', '2\n3', '4', '5']);
    outbox.shut();
    outbox.writeNow(Buffer.from('6'));
    turn.runNow();
    expect(written()).toHaveLength(4);
  });

  test('a borrowed frame is copied, unless it is large: then it leaves at once', () => {
    const small = Buffer.from('1');
    outbox.writeBorrowed(small);
    small[0] = 0;
    const large = Buffer.alloc(JOINED_MAX_BYTES, 'b');
    outbox.writeBorrowed(large);
    large[0] = 0;
    expect(written()).toEqual([`1\n${'b'.repeat(JOINED_MAX_BYTES)}`]);
    turn.runNow();
    outbox.writeBorrowed(large);
    expect(socket.frames.map((frame) => frame[0])).toEqual([0x31, 0]);
    socket.answer = BUFFERED;
    outbox.writeBorrowed(large);
    expect([blocked, outbox.blocked]).toEqual([1, true]);
    socket.answer = DROPPED;
    outbox.drained();
    outbox.writeBorrowed(large);
    turn.runNow();
    expect(failures).toEqual([disconnects.writeError]);
  });

  test.each([
    LARGE_BYTES,
    LARGE_JOINED_MAX_BYTES - 3,
  ])('a borrowed frame of %i bytes leaves together with what is ahead of it', (bytes) => {
    outbox.write(Buffer.from('1'));
    outbox.write(Buffer.from('2'));
    outbox.writeBorrowed(Buffer.alloc(bytes, 'b'));
    expect(written()).toEqual([`1\n2\n${'b'.repeat(bytes)}`]);
    turn.runNow();
    expect(written()).toHaveLength(1);
  });

  test('a larger one leaves after it', () => {
    outbox.write(Buffer.from('1'));
    outbox.writeBorrowed(Buffer.alloc(LARGE_JOINED_MAX_BYTES, 'b'));
    expect(written()).toEqual(['1', 'b'.repeat(LARGE_JOINED_MAX_BYTES)]);
  });

  test('a borrowed frame that the socket has no room for after what is ahead of it is copied', () => {
    socket.answer = BUFFERED;
    outbox.write(Buffer.from('1'));
    const large = Buffer.alloc(QUEUE_MAX_BYTES, 'b');
    outbox.writeBorrowed(large);
    expect(written()).toEqual(['1']);
    large.fill('c');
    socket.answer = SENT;
    outbox.drained();
    expect(written()).toEqual(['1', 'b'.repeat(QUEUE_MAX_BYTES)]);
  });

  test('a write is bounded, and a larger frame is a write of its own', () => {
    const half = Buffer.alloc(JOINED_MAX_BYTES / 2 + 1, 'a');
    outbox.hold();
    outbox.release(half);
    const large = Buffer.alloc(JOINED_MAX_BYTES * 2, 'b');
    outbox.write(large);
    turn.runNow();
    expect(socket.frames.map((frame) => frame.length)).toEqual([half.length, large.length]);
  });

  test('what fills a write does not wait for the end of the turn', () => {
    outbox.write(Buffer.alloc(JOINED_MAX_BYTES, 'a'));
    expect(socket.frames).toHaveLength(1);
  });
});

describe('a slow socket', () => {
  beforeEach(() => {
    socket.answer = BUFFERED;
    outbox.write(Buffer.from('1'));
    turn.runNow();
  });

  test('is told of once, and written to when it has drained', () => {
    outbox.write(Buffer.from('2'));
    outbox.write(Buffer.from('3'));
    turn.runNow();
    expect(written()).toEqual(['1']);
    expect(blocked).toBe(1);
    socket.answer = SENT;
    outbox.drained();
    expect(written()).toEqual(['1', '2\n3']);
    outbox.write(Buffer.from('4'));
    turn.runNow();
    expect(written()).toEqual(['1', '2\n3', '4']);
  });

  test('over the limit fails as slow, at the end of the turn, and nothing more is written', () => {
    outbox.write(Buffer.alloc(QUEUE_MAX_BYTES, 'a'));
    expect(failures).toEqual([]);
    outbox.write(Buffer.from('b'));
    outbox.write(Buffer.from('c'));
    expect(failures).toEqual([]);
    turn.runNow();
    expect(failures).toEqual([disconnects.slow]);
    socket.answer = SENT;
    outbox.drained();
    turn.runNow();
    expect(written()).toEqual(['1']);
    expect(failures).toEqual([disconnects.slow]);
  });

  test('may block again while it is drained', () => {
    outbox.write(Buffer.from('2'));
    outbox.drained();
    outbox.write(Buffer.from('3'));
    turn.runNow();
    expect(written()).toEqual(['1', '2']);
    expect(blocked).toBe(2);
  });
});

test('a dropped write is an error, and what follows is not written', () => {
  socket.answer = DROPPED;
  outbox.write(Buffer.from('1'));
  turn.runNow();
  socket.answer = SENT;
  outbox.write(Buffer.from('2'));
  turn.runNow();
  expect(failures).toEqual([disconnects.writeError]);
  expect(written()).toEqual([]);
});

describe('held', () => {
  test('what was held comes after the frame that releases it', () => {
    outbox.hold();
    outbox.write(Buffer.from('1'));
    outbox.write(Buffer.from('2'));
    turn.runNow();
    expect(written()).toEqual([]);
    outbox.release(Buffer.from('reply'));
    turn.runNow();
    expect(written()).toEqual(['reply\n1\n2']);
  });

  test('is bounded', () => {
    outbox.hold();
    outbox.write(Buffer.alloc(QUEUE_MAX_BYTES + 1, 'a'));
    turn.runNow();
    expect(failures).toEqual([disconnects.slow]);
  });

  test('is forgotten when it is discarded', () => {
    outbox.hold();
    outbox.write(Buffer.from('1'));
    outbox.discardHeld();
    outbox.write(Buffer.from('2'));
    turn.runNow();
    expect(written()).toEqual(['2']);
  });
});

describe('the end', () => {
  test('sealing writes what is there and takes nothing more', () => {
    outbox.write(Buffer.from('1'));
    outbox.seal(disconnects.inappropriateProtocol);
    outbox.write(Buffer.from('2'));
    turn.runNow();
    expect(written()).toEqual(['1']);
    expect(failures).toEqual([disconnects.inappropriateProtocol]);
  });

  test('shutting forgets what is there, a failure included', () => {
    socket.answer = DROPPED;
    outbox.write(Buffer.alloc(JOINED_MAX_BYTES, 'a'));
    outbox.shut();
    outbox.write(Buffer.from('2'));
    turn.runNow();
    expect(failures).toEqual([]);
    expect(written()).toEqual([]);
  });
});
