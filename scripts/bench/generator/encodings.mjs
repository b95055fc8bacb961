/**
 * The client protocol as a load generator needs it. Publications are not decoded: their payload begins with a marker that
 * is found in the bytes of either encoding.
 *
 *   opcode                          of frames that are sent
 *   encode(commands)                payload of one frame
 *   each(bytes, from, to, visit)    visit(from, to) for each message of a received frame; an empty one is a ping
 *   isReply(bytes, from)            or else it is a push
 *   decode(bytes, from, to)         a reply
 */
import protobuf from 'protobufjs';

const NEWLINE = 0x0a;
const REPLY = Buffer.from('{"id":');

const json = {
  subprotocol: undefined,
  opcode: 1,
  pong: Buffer.from('{}'),
  encode: (commands) => Buffer.from(commands.map((command) => JSON.stringify(command)).join('\n')),
  each(bytes, from, to, visit) {
    for (let start = from; start < to; ) {
      let end = bytes.indexOf(NEWLINE, start);
      if (end < 0 || end > to) end = to;
      const isPing = end - start === 2;
      visit(start, isPing ? start : end);
      start = end + 1;
    }
  },
  isReply: (bytes, from) => bytes.compare(REPLY, 0, REPLY.length, from, from + REPLY.length) === 0,
  decode: (bytes, from, to) => JSON.parse(bytes.toString('utf8', from, to)),
};

// Fields by the numbers of Centrifugo's client.proto; what a load generator does not look at is left out.
const { root } = protobuf.parse(
  `syntax = "proto3";
  message Error { uint32 code = 1; string message = 2; }
  message Connect { string token = 1; }
  message Subscribe { string channel = 1; bool recover = 3; string epoch = 6; uint64 offset = 7; bool recoverable = 10;
    string delta = 12; }
  message Unsubscribe { string channel = 1; }
  message Publish { string channel = 1; bytes data = 2; }
  message Rpc { bytes data = 1; string method = 2; }
  message Command { uint32 id = 1; Connect connect = 4; Subscribe subscribe = 5; Unsubscribe unsubscribe = 6;
    Publish publish = 7; Rpc rpc = 13; }
  message Publication { bytes data = 4; uint64 offset = 6; }
  message Subscribed { string epoch = 6; repeated Publication publications = 7; bool recovered = 8; uint64 offset = 9; }
  message Push { Publication pub = 4; }
  message Reply { uint32 id = 1; Error error = 2; Push push = 4; Subscribed subscribe = 6; Rpc rpc = 13; }`,
  { keepCase: true },
);
const Command = root.lookupType('Command');
const Reply = root.lookupType('Reply');
const REPLY_ID_TAG = 0x08;

/** Payloads are given as JSON values. */
function withBytes(command) {
  for (const part of ['publish', 'rpc'])
    if (command[part])
      return { ...command, [part]: { ...command[part], data: Buffer.from(JSON.stringify(command[part].data)) } };
  return command;
}

const protobufEncoding = {
  subprotocol: 'centrifuge-protobuf',
  opcode: 2,
  pong: Buffer.from([0]),
  encode: (commands) =>
    Buffer.concat(commands.map((command) => Command.encodeDelimited(Command.create(withBytes(command))).finish())),
  each(bytes, from, to, visit) {
    for (let at = from; at < to; ) {
      let length = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++];
        length |= (byte & 0x7f) << shift;
        if (byte < 0x80) break;
      }
      visit(at, at + length);
      at += length;
    }
  },
  isReply: (bytes, from) => bytes[from] === REPLY_ID_TAG,
  decode: (bytes, from, to) => Reply.toObject(Reply.decode(bytes.subarray(from, to)), { longs: Number }),
};

export const ENCODINGS = { json, protobuf: protobufEncoding };

// ---- payload ----

const MARKER = Buffer.from('"bench":[');

/**
 * The data of a publication: who published it, the how manieth of that publisher in its channel it is, from 0, when it was due
 * (microseconds of the monotonic clock), and padding that makes its JSON `size` bytes long.
 */
export function payload(publisher, sequence, dueUs, size) {
  const bare = { bench: [publisher, sequence, dueUs] };
  const missing = size - JSON.stringify({ ...bare, pad: '' }).length;
  return missing > 0 ? { ...bare, pad: 'x'.repeat(missing) } : bare;
}

/** Reads what {@link payload} wrote into `stamp`. @returns {boolean} false if the message holds none. */
export function readStamp(bytes, from, to, stamp) {
  let at = bytes.indexOf(MARKER, from);
  if (at < 0 || at >= to) return false;
  at += MARKER.length;
  for (const field of ['publisher', 'sequence', 'dueUs']) {
    let value = 0;
    for (; at < to; at++) {
      const digit = bytes[at] - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    stamp[field] = value;
    at++;
  }
  return true;
}
