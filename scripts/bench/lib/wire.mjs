/** The client side of a WebSocket, reduced to what a load generator needs: no copies, no events, no buffers per socket. */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

const NEWLINE = 0x0a;

/** A masked text frame. The mask is all zeroes: valid, and the payload needs no second pass. */
export function textFrame(text) {
  const payload = Buffer.from(text);
  const long = payload.length > 125;
  if (payload.length > 0xffff) throw new RangeError('frame of more than 65535 bytes');
  const head = Buffer.alloc(long ? 8 : 6);
  head[0] = 0x81;
  head[1] = 0x80 | (long ? 126 : payload.length);
  if (long) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

const PONG = textFrame('{}');

/** One connection: hands each protocol message, as a range of the received bytes, to `onMessage(bytes, from, to)`. */
export class WireSocket {
  #rest = null;
  #upgraded = false;
  #closing = false;

  /**
   * @param {{url: URL, localAddress?: string, hello: string, onMessage: Function, onLost: (why: string) => void}} options
   *   `hello` is the text of the first frame, sent as soon as the connection is upgraded.
   */
  constructor({ url, localAddress, hello, onMessage, onLost }) {
    this.onMessage = onMessage;
    this.hello = textFrame(hello);
    this.socket = connect({ host: url.hostname, port: Number(url.port), localAddress, noDelay: true });
    this.socket.on('connect', () => this.socket.write(upgradeRequest(url)));
    this.socket.on('data', (chunk) => this.#read(chunk));
    this.socket.on('error', (error) => this.#lost(onLost, error.message));
    this.socket.on('close', () => this.#lost(onLost, 'closed'));
  }

  close() {
    this.#closing = true;
    this.socket.destroy();
  }

  #lost(onLost, why) {
    if (this.#closing) return;
    this.#closing = true;
    this.socket.destroy();
    onLost(this.closeReason ?? why);
  }

  #read(chunk) {
    let bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = null;
    if (!this.#upgraded) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) {
        this.#rest = bytes;
        return;
      }
      const status = bytes.latin1Slice(9, 12);
      if (status !== '101') {
        this.closeReason = `handshake answered ${status}`;
        this.socket.destroy();
        return;
      }
      this.#upgraded = true;
      this.socket.write(this.hello);
      bytes = bytes.subarray(end + 4);
    }
    this.#frames(bytes);
  }

  #frames(bytes) {
    let at = 0;
    while (bytes.length - at >= 2) {
      let length = bytes[at + 1] & 0x7f;
      let head = 2;
      if (length === 126) {
        if (bytes.length - at < 4) break;
        length = bytes.readUInt16BE(at + 2);
        head = 4;
      } else if (length === 127) {
        if (bytes.length - at < 10) break;
        length = Number(bytes.readBigUInt64BE(at + 2));
        head = 10;
      }
      const end = at + head + length;
      if (end > bytes.length) break;
      this.#frame(bytes[at] & 0x0f, bytes, at + head, end);
      at = end;
    }
    if (at < bytes.length) this.#rest = bytes.subarray(at);
  }

  #frame(opcode, bytes, from, to) {
    if (opcode === 8) {
      const code = to - from >= 2 ? bytes.readUInt16BE(from) : 0;
      this.closeReason = `closed by the server: ${code} ${bytes.toString('utf8', from + 2, to)}`;
      return;
    }
    for (let start = from; start < to; ) {
      let end = bytes.indexOf(NEWLINE, start);
      if (end < 0 || end > to) end = to;
      if (end - start === 2)
        this.socket.write(PONG); // `{}` is a ping
      else this.onMessage(bytes, start, end);
      start = end + 1;
    }
  }
}

function upgradeRequest(url) {
  const key = randomBytes(16).toString('base64');
  return `GET /connection/websocket HTTP/1.1\r\nHost: ${url.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`;
}

const OFFSET = Buffer.from('"offset":');
const DUE = Buffer.from('"due":');

/** The decimal number after `marker` in a range, or -1. */
function numberAfter(bytes, marker, from, to) {
  let at = bytes.indexOf(marker, from);
  if (at < 0 || at >= to) return -1;
  at += marker.length;
  let value = 0;
  for (; at < to; at++) {
    const digit = bytes[at] - 0x30;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  return value;
}

/** Publication offset. The payload stands before it, so the search never takes a number out of the payload. */
export const offsetOf = (bytes, from, to) => numberAfter(bytes, OFFSET, from, to);
/** When the publication was due, microseconds of the host's monotonic clock. */
export const dueOf = (bytes, from, to) => numberAfter(bytes, DUE, from, to);

/** Microseconds of the host's monotonic clock: the same in every process. */
export function micros() {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1e6 + Math.floor(nanos / 1000);
}
