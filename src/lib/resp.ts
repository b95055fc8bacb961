/**
 * RESP2, the protocol of Redis: reading replies and PUB/SUB messages as the bytes come. Writing: resp-command.ts.
 *
 *   replies   +<text> CRLF     -<error> CRLF     :<integer> CRLF
 *             $<bytes> CRLF <bulk> CRLF          *<count> CRLF <that many replies>          $-1 and *-1 are null
 *   message   *3 CRLF $7 CRLF message CRLF $<bytes> CRLF <channel> CRLF $<bytes> CRLF <payload> CRLF
 *
 * Source: https://redis.io/docs/latest/develop/reference/protocol-spec. RESP3 has nothing that is needed here; every
 * server speaks RESP2 when it is not told otherwise.
 */
import { TextCache } from './text-cache.js';

/** Simple strings are strings, bulk strings are Buffers. Integers above 2^53 lose precision. */
export type RespValue = number | string | Buffer | null | RespValue[];

/** An error as the server wrote it, without the leading '-'. An error inside an array takes the place of the array. */
export class RespError {
  constructor(readonly text: string) {}
}

/** What was received is not RESP2. The rest of the stream makes no sense. */
export class RespSyntaxError extends Error {}

/** proto-max-bulk-len of a server that is configured as usual. */
const MAX_BULK_BYTES = 512 << 20;
const MAX_ARRAY_ITEMS = 1 << 24;
const MAX_LINE_BYTES = 64 << 10;
const MAX_NESTING = 32;

const CR = 13;
const LF = 10;
const PLUS = 43;
const MINUS = 45;
const ZERO = 48;
const COLON = 58;
const DOLLAR = 36;
const STAR = 42;

export interface RespSink {
  /** Bulk strings may be kept; on a connection for commands they keep the chunk that they came in. */
  reply(reply: RespValue | RespError): void;
}

export interface PubSubSink extends RespSink {
  /**
   * A message of a subscribed channel. The payload is [start, end) of `bytes`. All of that is borrowed, and may be
   * overwritten, what stands in front of the payload too: the message's head, which is longer than its channel by
   * {@link MESSAGE_HEAD_MIN_BYTES} at least.
   */
  message(channel: string, bytes: Buffer, start: number, end: number): void;
}

const MESSAGE_PREFIX = Buffer.from('*3\r\n$7\r\nmessage\r\n$');
/** With the lengths of channel and payload. */
export const MESSAGE_HEAD_MIN_BYTES = MESSAGE_PREFIX.length + '0\r\n\r\n$0\r\n'.length;

interface OpenArray {
  readonly items: RespValue[];
  missing: number;
}

/** Takes a stream in chunks as they come, and hands over what is complete, in order. */
export class RespReader {
  #buffer: Buffer = Buffer.alloc(0);
  #pos = 0;
  /** Where the number that was read last ends, behind its CR LF; 0 when it is not all there. */
  #after = 0;
  /** Chunks of an element that is not complete, and how many bytes make it worth another look. */
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #neededBytes = 0;
  /** Arrays that are not complete, outermost first. */
  readonly #open: OpenArray[] = [];
  #error: RespError | undefined;
  #stopped = false;
  readonly #messages: PubSubSink | undefined;
  readonly #channels: TextCache | undefined;

  /** @param pubSub  the connection is in subscribed mode: arrays that look like messages are. */
  constructor(sink: PubSubSink, pubSub: true);
  constructor(sink: RespSink);
  constructor(
    private readonly sink: RespSink,
    pubSub = false,
  ) {
    this.#messages = pubSub ? (sink as PubSubSink) : undefined;
    this.#channels = pubSub ? new TextCache() : undefined;
  }

  /**
   * @param chunk  borrowed.
   * @param room  bytes in front of it in the same memory that may be overwritten, with what was not complete before.
   * @throws RespSyntaxError, and whatever the sink throws. The reader is of no use then.
   */
  feed(chunk: Buffer, room = 0): void {
    if (this.#stopped) return;
    // Replies are kept, and there may be many strings in one. Messages are not.
    if (!(this.#messages ? this.#take(chunk, room) : this.#take(Buffer.from(chunk), 0))) return;
    const buffer = this.#buffer;
    while (this.#pos < buffer.length && this.#element()) if (this.#stopped) return;
    if (this.#pos === buffer.length) return;
    this.#waiting.push(Buffer.from(buffer.subarray(this.#pos)));
    this.#waitingBytes = buffer.length - this.#pos;
  }

  /** Hand over nothing more, not even what was fed already. */
  stop(): void {
    this.#stopped = true;
  }

  /** @returns whether there is enough to go on. */
  #take(chunk: Buffer, room: number): boolean {
    this.#buffer = chunk;
    this.#pos = 0;
    if (this.#waitingBytes === 0) return true;
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes < this.#neededBytes) {
      this.#waiting.push(Buffer.from(chunk));
      return false;
    }
    this.#waiting.push(chunk);
    const fits = this.#waitingBytes - chunk.length <= room;
    this.#buffer = fits ? joinedInPlace(this.#waiting, this.#waitingBytes) : Buffer.concat(this.#waiting);
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    return true;
  }

  /** A value, or the beginning of an array. @returns false, with nothing consumed, if it is not all there. */
  #element(): boolean {
    const at = this.#pos + 1;
    switch (this.#buffer[this.#pos]) {
      case STAR:
        if (this.#messages && this.#open.length === 0 && this.#startsLikeMessage())
          return this.#message(this.#messages);
        return this.#array(at);
      case DOLLAR:
        return this.#bulk(at);
      case COLON: {
        const value = this.#number(at);
        return this.#after > 0 ? this.#consume(value) : this.#incomplete();
      }
      case PLUS: {
        const text = this.#line(at);
        return text === undefined ? this.#incomplete() : this.#consume(text);
      }
      case MINUS: {
        const text = this.#line(at);
        if (text === undefined) return this.#incomplete();
        this.#error ??= new RespError(text);
        return this.#consume(null);
      }
      default:
        throw new RespSyntaxError(`a reply cannot start with byte ${this.#buffer[this.#pos]}`);
    }
  }

  #startsLikeMessage(): boolean {
    const buffer = this.#buffer;
    const start = this.#pos;
    const bytes = Math.min(MESSAGE_PREFIX.length, buffer.length - start);
    for (let i = 0; i < bytes; i++) if (buffer[start + i] !== MESSAGE_PREFIX[i]) return false;
    return true;
  }

  #message(sink: PubSubSink): boolean {
    const buffer = this.#buffer;
    const channelBytes = this.#length(this.#pos + MESSAGE_PREFIX.length);
    const channelAt = this.#after;
    if (channelAt === 0) return this.#incomplete();
    const channelEnd = channelAt + channelBytes;
    if (channelEnd + 3 > buffer.length) return this.#incomplete(channelEnd + 3);
    this.#expectCrLf(channelEnd);
    if (channelBytes < 0 || buffer[channelEnd + 2] !== DOLLAR) throw new RespSyntaxError('malformed message');

    const payloadBytes = this.#length(channelEnd + 3);
    const payloadAt = this.#after;
    if (payloadAt === 0) return this.#incomplete();
    if (payloadBytes < 0) throw new RespSyntaxError('a message without payload');
    const payloadEnd = payloadAt + payloadBytes;
    if (payloadEnd + 2 > buffer.length) return this.#incomplete(payloadEnd + 2);
    this.#expectCrLf(payloadEnd);

    this.#pos = payloadEnd + 2;
    sink.message(this.#channels!.text(buffer, channelAt, channelEnd), buffer, payloadAt, payloadEnd);
    return true;
  }

  #array(at: number): boolean {
    const items = this.#number(at);
    if (this.#after === 0) return this.#incomplete();
    if (items < -1 || items > MAX_ARRAY_ITEMS) throw new RespSyntaxError(`an array of ${items} items`);
    if (items < 1) return this.#consume(items === 0 ? [] : null);
    if (this.#open.length === MAX_NESTING) throw new RespSyntaxError(`more than ${MAX_NESTING} nested arrays`);
    this.#open.push({ items: [], missing: items });
    this.#pos = this.#after;
    return true;
  }

  #bulk(at: number): boolean {
    const bytes = this.#length(at);
    if (this.#after === 0) return this.#incomplete();
    if (bytes === -1) return this.#consume(null);
    const start = this.#after;
    const end = start + bytes;
    if (end + 2 > this.#buffer.length) return this.#incomplete(end + 2);
    this.#expectCrLf(end);
    this.#after = end + 2;
    const bulk = this.#buffer.subarray(start, end);
    return this.#consume(this.#messages ? Buffer.from(bulk) : bulk);
  }

  /** The element that ends at {@link #after}. */
  #consume(element: RespValue): true {
    this.#pos = this.#after;
    let value = element;
    for (let array = this.#open.at(-1); array !== undefined; array = this.#open.at(-1)) {
      array.items.push(value);
      if (--array.missing > 0) return true;
      value = array.items;
      this.#open.pop();
    }
    const error = this.#error;
    this.#error = undefined;
    this.sink.reply(error ?? value);
    return true;
  }

  /** @param end  where the element ends, if that is known; otherwise every byte may be the last. */
  #incomplete(end = this.#buffer.length + 1): false {
    this.#neededBytes = end - this.#pos;
    return false;
  }

  #length(at: number): number {
    const bytes = this.#number(at);
    if (bytes < -1 || bytes > MAX_BULK_BYTES) throw new RespSyntaxError(`a string of ${bytes} bytes`);
    return bytes;
  }

  /** The integer that starts here and ends with CR LF. Sets {@link #after}. */
  #number(at: number): number {
    const buffer = this.#buffer;
    const { length } = buffer;
    const negative = buffer[at] === MINUS;
    const first = negative ? at + 1 : at;
    let value = 0;
    let pos = first;
    for (; pos < length; pos++) {
      const digit = buffer[pos]! - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (pos - first > 19) throw new RespSyntaxError('a number of more than 19 digits');
    this.#after = 0;
    if (pos < length) {
      if (pos === first || buffer[pos] !== CR) throw new RespSyntaxError('malformed number');
      if (pos + 1 < length) {
        if (buffer[pos + 1] !== LF) throw new RespSyntaxError('malformed number');
        this.#after = pos + 2;
      }
    }
    return negative ? -value : value;
  }

  /** The text that starts here and ends with CR LF. Sets {@link #after}. */
  #line(at: number): string | undefined {
    const buffer = this.#buffer;
    const end = buffer.indexOf(CR, at);
    const bytes = (end < 0 ? buffer.length : end) - at;
    if (bytes > MAX_LINE_BYTES) throw new RespSyntaxError(`a line of more than ${MAX_LINE_BYTES} bytes`);
    if (end < 0 || end + 1 === buffer.length) return undefined;
    this.#expectCrLf(end);
    this.#after = end + 2;
    return buffer.toString('utf8', at, end);
  }

  #expectCrLf(at: number): void {
    if (this.#buffer[at] !== CR || this.#buffer[at + 1] !== LF) throw new RespSyntaxError('CR LF expected');
  }
}

/** All chunks, in front of the last one, where it is. */
function joinedInPlace(chunks: readonly Buffer[], bytes: number): Buffer {
  const last = chunks.at(-1)!;
  const all = Buffer.from(last.buffer, last.byteOffset + last.length - bytes, bytes);
  let at = 0;
  for (let i = 0; i < chunks.length - 1; i++) {
    all.set(chunks[i]!, at);
    at += chunks[i]!.length;
  }
  return all;
}
