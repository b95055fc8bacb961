/** One client of the server under load: connects, subscribes, asks; publications go to whoever opened it as bytes. */
import { createHmac } from 'node:crypto';
import { ENCODINGS } from './encodings.mjs';
import { frame, WebSocketClient } from './socket.mjs';

const CONNECTIONS_PER_ADDRESS_MAX = 10_000;
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+)$/;

/** An HS256 connection token for a user, valid for a day. */
export function connectionToken(secret, user) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { sub: user, exp: Math.floor(Date.now() / 1000) + 86_400 };
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}

/** Ports run out at about 28,000 connections from one address to one port; on loopback there are more addresses. */
function localAddress({ url, addresses }, index) {
  if (addresses?.length > 0) return addresses[index % addresses.length];
  if (!LOOPBACK.test(new URL(url).hostname)) return undefined;
  return `127.0.0.${2 + (Math.floor(index / CONNECTIONS_PER_ADDRESS_MAX) % 250)}`;
}

export class Client {
  #encoding;
  #waiting = new Map();
  #lastId = 0;
  #lost = null;

  /**
   * @param {{options: object, index: number, user: string, onPush?: Function, onLost?: (why: string) => void}} setup
   *   `index` chooses the local address; onPush(bytes, from, to) is given each push
   */
  constructor({ options, index, user, onPush, onLost }) {
    this.setup = { options, index, user };
    this.onPush = onPush ?? (() => {});
    this.onLost = onLost ?? (() => {});
    this.#encoding = ENCODINGS[options.protocol];
  }

  /**
   * Connects, with a token, and sends the command in the same frame.
   * @returns the reply to that command
   */
  open(command) {
    const { options, index, user } = this.setup;
    const connect = this.#register({ connect: { token: connectionToken(options.secret, user) } });
    const first = this.#register(command);
    this.socket = new WebSocketClient({
      url: new URL(options.url),
      subprotocol: this.#encoding.subprotocol,
      localAddress: localAddress(options, index),
      tlsInsecure: options.tlsInsecure,
      hello: this.#frame([connect.command, first.command]),
      onFrame: (bytes, from, to) => this.#onFrame(bytes, from, to),
      onLost: (why) => this.#onLost(why),
    });
    return Promise.all([connect.reply, first.reply]).then(([, reply]) => reply);
  }

  /** @returns the reply. @throws {Error} on an error reply, and when the connection ends first. */
  ask(command) {
    if (this.#lost !== null) return Promise.reject(new Error(this.#lost));
    const asked = this.#register(command);
    this.socket.send(this.#frame([asked.command]));
    return asked.reply;
  }

  close() {
    this.#waiting.clear();
    this.socket?.close();
  }

  #frame(commands) {
    return frame(this.#encoding.opcode, this.#encoding.encode(commands));
  }

  #register(command) {
    const id = ++this.#lastId;
    const reply = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    return { command: { id, ...command }, reply };
  }

  #onFrame(bytes, from, to) {
    this.#encoding.each(bytes, from, to, (start, end) => {
      if (start === end) this.socket.send(frame(this.#encoding.opcode, this.#encoding.pong));
      else if (this.#encoding.isReply(bytes, start)) this.#onReply(this.#encoding.decode(bytes, start, end));
      else this.onPush(bytes, start, end);
    });
  }

  #onReply(reply) {
    const { resolve, reject } = this.#waiting.get(reply.id) ?? {};
    this.#waiting.delete(reply.id);
    if (reply.error) reject?.(new Error(`${reply.error.code} ${reply.error.message}`));
    else resolve?.(reply);
  }

  #onLost(why) {
    this.#lost = why;
    for (const { reject } of this.#waiting.values()) reject(new Error(why));
    this.#waiting.clear();
    this.onLost(why);
  }
}

/** Opens many at a time, but not all: `open(i)` for each of the indexes. */
export async function openEach(indexes, open, inFlightMax = 100) {
  const next = indexes[Symbol.iterator]();
  const opener = async () => {
    for (let item = next.next(); !item.done; item = next.next()) await open(item.value);
  };
  await Promise.all(Array.from({ length: inFlightMax }, opener));
}
