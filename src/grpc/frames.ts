import { memoized } from '../lib/memoized.js';
import type { Bytes } from '../protocol/messages.js';

/** One byte that says whether the message is compressed, four with its length. */
const PREFIX_BYTES = 5;

/**
 * A frame of the Protobuf codec as messages of gRPC: they are the same, but for the lengths in front of each. The frame of
 * a class is written to each of its members in turn.
 */
export const toGrpcMessages = memoized((frame: Bytes): Buffer => {
  const starts: number[] = [];
  let bytes = 0;
  for (let at = 0; at < frame.length; ) {
    const [start, end] = messageAt(frame, at);
    starts.push(start, end);
    bytes += PREFIX_BYTES + end - start;
    at = end;
  }
  const messages = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (let i = 0; i < starts.length; i += 2) {
    const message = frame.subarray(starts[i], starts[i + 1]);
    messages[at] = 0;
    messages.writeUInt32BE(message.length, at + 1);
    messages.set(message, at + PREFIX_BYTES);
    at += PREFIX_BYTES + message.length;
  }
  return messages;
});

/** Behind a length, a uvarint of the server's own making. */
function messageAt(frame: Bytes, at: number): [start: number, end: number] {
  let pos = at;
  let length = 0;
  for (let scale = 1; ; scale *= 0x80) {
    const byte = frame[pos++]!;
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) return [pos, pos + length];
  }
}
