import { expect, test } from 'vitest';
import { toGrpcMessages } from '../../src/grpc/frames.js';
import { protobufCodec } from '../../src/protocol/codecs.js';

const push = (bytes: number): Buffer => protobufCodec.encodePush({ message: { data: Buffer.alloc(bytes, 'x') } }, true);

/** The lengths in a frame are uvarints: one, two and three bytes, and a message of nothing. */
test.each([[[1]], [[10, 200, 70_000]], [[200, 1]]])('messages of %j bytes', (sizes) => {
  const messages = sizes.map(push);
  const read: Buffer[] = [];
  const found = toGrpcMessages(protobufCodec.join(messages));
  for (let at = 0; at < found.length; ) {
    expect(found[at]).toBe(0);
    const end = at + 5 + found.readUInt32BE(at + 1);
    read.push(found.subarray(at + 5, end));
    at = end;
  }
  const bare = messages.map((message) => message.subarray(message.findIndex((byte) => byte < 0x80) + 1));
  expect(read).toEqual(bare);
});

test('a ping is a push of nothing', () => {
  expect([...toGrpcMessages(protobufCodec.ping)]).toEqual([0, 0, 0, 0, 0]);
});

test('the frame of a class is converted once', () => {
  const frame = push(10);
  expect(toGrpcMessages(frame)).toBe(toGrpcMessages(frame));
  expect(toGrpcMessages(push(20))).not.toBe(toGrpcMessages(frame));
});
