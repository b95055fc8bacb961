/** How frames stand in the body of a streaming response: what begins and ends each message. */
import { asBuffer } from '../lib/bytes.js';
import { memoized } from '../lib/memoized.js';
import type { Codec } from '../protocol/codec.js';
import { jsonCodec, protobufCodec } from '../protocol/codecs.js';
import type { Bytes } from '../protocol/messages.js';

export interface Framing {
  readonly codec: Codec;
  /** Unidirectional: pushes stand alone instead of in replies. */
  readonly bare: boolean;
  readonly contentType: string;
  /** See HttpStream, also for the next. */
  readonly preamble: Bytes;
  readonly filler: Bytes;
  /** A frame of the codec as part of the body. That of a class is written to each of its members in turn. */
  wrap(frame: Bytes): Bytes;
}

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const NOTHING = Buffer.alloc(0);
const EVENT_START = Buffer.from('data: ');

/** Each message ends with a newline. */
const jsonLines: Framing = {
  codec: jsonCodec,
  bare: false,
  contentType: 'text/plain; charset=utf-8',
  preamble: NOTHING,
  filler: Buffer.of(SPACE),
  wrap: memoized((frame) => {
    const bytes = Buffer.allocUnsafe(frame.length + 1);
    bytes.set(frame);
    bytes[frame.length] = NEWLINE;
    return bytes;
  }),
};

/** Each message already has its length in front. The filler is a push of nothing: an empty message would be a ping. */
const protobuf: Framing = {
  codec: protobufCodec,
  bare: false,
  contentType: 'application/octet-stream',
  preamble: NOTHING,
  filler: protobufCodec.encodePush({}),
  wrap: (frame) => frame,
};

export const streamFraming = (protocol: Codec['name']): Framing => (protocol === 'json' ? jsonLines : protobuf);

/**
 * Server-Sent Events (WHATWG HTML 9.2): one event for each message. The filler is a comment. Readers know by the preamble
 * that the stream is open; the `eventsource` package for Node.js understands none that comes together with an event.
 */
export const eventFraming: Framing = {
  codec: jsonCodec,
  bare: false,
  contentType: 'text/event-stream; charset=utf-8',
  preamble: Buffer.from('\r\n'),
  filler: Buffer.from(':\n'),
  wrap: memoized(events),
};

export const uniStreamFraming: Framing = { ...jsonLines, bare: true };
export const uniEventFraming: Framing = { ...eventFraming, bare: true };

function events(frame: Bytes): Bytes {
  const source = asBuffer(frame);
  let messages = 1;
  for (let at = source.indexOf(NEWLINE); at >= 0; at = source.indexOf(NEWLINE, at + 1)) messages++;
  const bytes = Buffer.allocUnsafe(source.length + messages * (EVENT_START.length + 2) - (messages - 1));
  let at = 0;
  for (let from = 0; from <= source.length; ) {
    const newline = source.indexOf(NEWLINE, from);
    const to = newline < 0 ? source.length : newline;
    at += EVENT_START.copy(bytes, at);
    at += source.copy(bytes, at, from, to);
    bytes[at++] = NEWLINE;
    bytes[at++] = NEWLINE;
    from = to + 1;
  }
  // In JSON it can only be whitespace, but here it would end the line.
  for (let i = bytes.indexOf(CARRIAGE_RETURN); i >= 0; i = bytes.indexOf(CARRIAGE_RETURN, i + 1)) bytes[i] = SPACE;
  return bytes;
}
