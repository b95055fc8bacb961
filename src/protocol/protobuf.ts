/** The Protobuf encoding: every message with its length in front, so that frames are plain concatenations. */
import { memoryFor, putUvarint, uvarintBytes } from '../lib/bytes.js';
import { type Codec, MalformedFrame } from './codec.js';
import type { Bytes, Command, Publication, Push, Reply } from './messages.js';
import { readCommand } from './proto-decode.js';
import {
  PUSH_PUB_FIELD,
  REPLY_PUSH_FIELD,
  writePublicationTail,
  writePush,
  writePushChannel,
  writeReply,
} from './proto-encode.js';
import { ProtoError, ProtoReader } from './proto-reader.js';
import { ProtoWriter } from './proto-writer.js';

/** An empty message: a reply that says nothing is a ping, a command that asks nothing a pong. */
const EMPTY = Buffer.of(0);
const LENGTH_DELIMITED = 2;
const PUBLICATION_DATA_FIELD = 4;

const scratch = new ProtoWriter();

function decode(frame: Bytes): Command[] {
  const commands: Command[] = [];
  try {
    const reader = new ProtoReader(frame);
    do commands.push(readCommand(reader));
    while (!reader.done);
    return commands;
  } catch (error) {
    if (error instanceof ProtoError) throw new MalformedFrame(error.message, commands);
    throw error;
  }
}

/** The scratch as a message of its own. */
function delimited(): Buffer {
  const out = Buffer.allocUnsafe(uvarintBytes(scratch.length) + scratch.length);
  scratch.copyTo(out, putUvarint(out, 0, scratch.length), 0, scratch.length);
  return out;
}

function encodeReply(reply: Reply): Buffer {
  const start = scratch.reset().begin();
  writeReply(scratch, reply);
  scratch.close(start);
  return scratch.view();
}

function encodePush(push: Push, bare = false): Buffer {
  scratch.reset();
  if (bare) writePush(scratch, push);
  else scratch.message(REPLY_PUSH_FIELD, writePush, push);
  return delimited();
}

/** The push's channel field, with or without a reply around it. */
function publicationHead(channel: string): Bytes {
  writePushChannel(scratch.reset(), channel);
  return scratch.copy();
}

/**
 *   length · [reply.push, length] · head · push.pub, length · pub.data, length · data · tail
 * All lengths follow from those of head, data and tail, so the payload is copied once, to its place.
 */
function encodePublication(head: Bytes, pub: Publication, bare: boolean): Buffer {
  writePublicationTail(scratch.reset(), pub);
  const dataBytes = pub.data.length;
  const pubBytes = (dataBytes > 0 ? fieldBytes(dataBytes) : 0) + scratch.length;
  const pushBytes = head.length + fieldBytes(pubBytes);
  const messageBytes = bare ? pushBytes : fieldBytes(pushBytes);

  const out = Buffer.allocUnsafe(uvarintBytes(messageBytes) + messageBytes);
  let at = putUvarint(out, 0, messageBytes);
  if (!bare) at = putField(out, at, REPLY_PUSH_FIELD, pushBytes);
  out.set(head, at);
  at = putField(out, at + head.length, PUSH_PUB_FIELD, pubBytes);
  if (dataBytes > 0) {
    at = putField(out, at, PUBLICATION_DATA_FIELD, dataBytes);
    out.set(pub.data, at);
  }
  scratch.copyTo(out, at + dataBytes, 0, scratch.length);
  return out;
}

/** Bytes of a length-delimited field below 16, whose content has `length` bytes. */
function fieldBytes(length: number): number {
  return 1 + uvarintBytes(length) + length;
}

function putField(target: Uint8Array, at: number, field: number, length: number): number {
  target[at] = (field << 3) | LENGTH_DELIMITED;
  return putUvarint(target, at + 1, length);
}

function join(messages: readonly Bytes[], scratch?: Buffer): Bytes {
  if (messages.length === 1) return messages[0]!;
  let length = 0;
  for (const message of messages) length += message.length;
  const frame = memoryFor(length, scratch);
  let at = 0;
  for (const message of messages) {
    frame.set(message, at);
    at += message.length;
  }
  return frame;
}

export const protobufCodec: Codec = {
  name: 'protobuf',
  binary: true,
  ping: EMPTY,
  isPong: (frame) => frame.length === 1 && frame[0] === 0,
  decode,
  encodeReply,
  encodePush,
  publicationHead,
  encodePublication,
  join,
};
