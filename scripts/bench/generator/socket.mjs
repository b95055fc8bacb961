/** The client side of a WebSocket, reduced to what a load generator needs: no copies, no events, no buffers per socket. */
import { randomBytes } from 'node:crypto';
import { connect, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';

const OPCODE_CLOSE = 8;

/** A masked frame. The mask is all zeroes: valid, and the payload needs no second pass. */
export function frame(opcode, payload) {
  const long = payload.length > 125;
  if (payload.length > 0xffff) throw new RangeError('frame of more than 65535 bytes');
  const head = Buffer.alloc(long ? 8 : 6);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | (long ? 126 : payload.length);
  if (long) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

/** One connection: hands the payload of each frame, as a range of the received bytes, to `onFrame(bytes, from, to)`. */
export class WebSocketClient {
  #rest = null;
  #upgraded = false;
  #closing = false;

  /**
   * @param {{url: URL, subprotocol?: string, localAddress?: string, tlsInsecure?: boolean, hello: Buffer,
   *   onFrame: Function, onLost: (why: string) => void}} options
   *   `hello` is the first frame, sent as soon as the connection is upgraded; `onLost` is told of any end but close().
   */
  constructor({ url, subprotocol, localAddress, tlsInsecure, hello, onFrame, onLost }) {
    this.onFrame = onFrame;
    this.hello = hello;
    const secure = url.protocol === 'https:' || url.protocol === 'wss:';
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const to = { host, port: Number(url.port) || (secure ? 443 : 80), localAddress, noDelay: true };
    this.socket = secure
      ? connectTls({ ...to, servername: isIP(host) ? '' : host, rejectUnauthorized: !tlsInsecure })
      : connect(to);
    this.socket.on(secure ? 'secureConnect' : 'connect', () => this.socket.write(upgradeRequest(url, subprotocol)));
    this.socket.on('data', (chunk) => this.#read(chunk));
    this.socket.on('error', (error) => this.#lost(onLost, error.message));
    this.socket.on('close', () => this.#lost(onLost, 'closed'));
  }

  send(bytes) {
    this.socket.write(bytes);
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
    while (bytes.length - at >= 2 && !this.#closing) {
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
    if (opcode === OPCODE_CLOSE) {
      const code = to - from >= 2 ? bytes.readUInt16BE(from) : 0;
      this.closeReason = `closed by the server: ${code} ${bytes.toString('utf8', from + 2, to)}`;
    } else this.onFrame(bytes, from, to);
  }
}

function upgradeRequest(url, subprotocol) {
  const key = randomBytes(16).toString('base64');
  const path = `${url.pathname.replace(/\/$/, '')}/connection/websocket`;
  const protocol = subprotocol ? `Sec-WebSocket-Protocol: ${subprotocol}\r\n` : '';
  return `GET ${path} HTTP/1.1\r\nHost: ${url.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n${protocol}\r\n`;
}
