/** The JSON encoding: messages joined by newlines. */
import { asBuffer, memoryFor } from '../lib/bytes.js';
import { type Codec, InappropriatePayload, MalformedFrame } from './codec.js';
import { isJson } from './is-json.js';
import { decodeJsonCommand } from './json-decode.js';
import { writePublicationTail, writePush, writeReply } from './json-encode.js';
import { JsonError } from './json-scanner.js';
import { JsonWriter, singleLine } from './json-writer.js';
import type { Bytes, Command, Publication, Push, Reply } from './messages.js';

const NEWLINE = 0x0a;
const EMPTY = Buffer.from('{}');
const NOTHING = Buffer.alloc(0);

const scratch = new JsonWriter();

/** At most one newline may stand at the end; a blank line is not a command. */
function decode(frame: Bytes): Command[] {
  const bytes = asBuffer(frame);
  const end = bytes[bytes.length - 1] === NEWLINE ? bytes.length - 1 : bytes.length;
  const commands: Command[] = [];
  try {
    let newline = bytes.indexOf(NEWLINE);
    if (newline < 0) return [decodeJsonCommand(bytes, 0, end)];
    for (let start = 0; ; start = newline + 1, newline = bytes.indexOf(NEWLINE, start)) {
      if (newline < 0) newline = end;
      commands.push(decodeJsonCommand(bytes, start, newline));
      if (newline >= end) return commands;
    }
  } catch (error) {
    if (error instanceof JsonError) throw new MalformedFrame(error.message, commands);
    throw error;
  }
}

function encodeReply(reply: Reply): Buffer {
  writeReply(scratch.reset(), reply);
  return scratch.view();
}

function encodePush(push: Push, bare = false): Buffer {
  scratch.reset();
  if (!bare) scratch.ascii('{"push":');
  writePush(scratch, push);
  if (!bare) scratch.close();
  return scratch.copy();
}

/** Everything before the publication itself: `{"push":{"channel":"…","pub":` */
function publicationHead(channel: string, bare: boolean): Bytes {
  scratch.reset();
  if (!bare) scratch.ascii('{"push":');
  scratch.open();
  scratch.textField('channel', channel);
  scratch.key('pub');
  return scratch.copy();
}

/** The payload is copied once, into memory of the exact size: large ones never pass the scratch. */
function encodePublication(head: Bytes, pub: Publication, bare: boolean, dataAsString: boolean): Buffer {
  const payload = dataAsString ? NOTHING : embeddable(pub);
  scratch.reset().open();
  if (dataAsString || payload.length > 0) scratch.key('data');
  if (dataAsString) scratch.quoted(pub.data);
  const split = scratch.length;
  writePublicationTail(scratch, pub);
  scratch.ascii(bare ? '}}' : '}}}');

  const out = Buffer.allocUnsafe(head.length + scratch.length + payload.length);
  out.set(head, 0);
  const at = scratch.copyTo(out, head.length, 0, split);
  out.set(payload, at);
  scratch.copyTo(out, at + payload.length, split, scratch.length);
  return out;
}

function embeddable(pub: Publication): Bytes {
  if (pub.json || pub.data.length === 0) return pub.data;
  if (!isJson(pub.data)) throw new InappropriatePayload('data is not JSON');
  return singleLine(pub.data);
}

function join(messages: readonly Bytes[], scratch?: Buffer): Bytes {
  if (messages.length === 1) return messages[0]!;
  let length = messages.length - 1;
  for (const message of messages) length += message.length;
  const frame = memoryFor(Math.max(length, 0), scratch);
  let at = 0;
  for (const message of messages) {
    if (at > 0) frame[at++] = NEWLINE;
    frame.set(message, at);
    at += message.length;
  }
  return frame;
}

export const jsonCodec: Codec = {
  name: 'json',
  binary: false,
  ping: EMPTY,
  isPong: (frame) => frame.length === 2 && frame[0] === EMPTY[0] && frame[1] === EMPTY[1],
  decode,
  encodeReply,
  encodePush,
  publicationHead,
  encodePublication,
  join,
};
