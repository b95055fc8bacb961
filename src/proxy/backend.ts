/**
 * Requests to one endpoint of the application, over HTTP/1.1 connections that are kept alive.
 *
 *   post ──▶ waiting, WAITING_MAX_… ──▶ a connection of its own, CONNECTIONS_MAX ──▶ reply
 *     └─────────────────────────────── timeoutMs ──────────────────────────────────────┘
 *
 * What the application is slow with, or does not answer at all, holds up nothing but requests to the same endpoint, and
 * those no longer than their deadline. Nothing is retried: the application may have acted on what it did not answer.
 */
import type { ConnectionOptions } from 'node:tls';
import { Pool } from 'undici';
import { Fifo } from '../lib/fifo.js';
import type { Bytes } from '../protocol/messages.js';

/** Requests under way at the same time, of one worker to one endpoint. */
export const CONNECTIONS_MAX = 256;
/** Requests that wait for a connection. More fail at once. */
export const WAITING_MAX_REQUESTS = 16_384;
export const WAITING_MAX_BYTES = 64 << 20;
/** Longer replies fail. */
export const REPLY_MAX_BYTES = 16 << 20;

export interface BackendOptions {
  /** An http:// or https:// URL. */
  readonly endpoint: string;
  readonly timeoutMs: number;
  readonly tls: ConnectionOptions | undefined;
}

export interface HttpReply {
  readonly status: number;
  /** Empty unless `status` is 200. */
  readonly body: Bytes;
}

/** There is no reply. The message names neither endpoint nor payload. */
export class BackendError extends Error {
  override readonly name = 'BackendError';
}

interface Waiting {
  readonly bytes: number;
  /** Undefined once its deadline has passed. */
  start: (() => void) | undefined;
}

const NO_BODY = Buffer.alloc(0);

export class Backend {
  readonly #pool: Pool;
  readonly #path: string;
  readonly #timeoutMs: number;
  readonly #waiting = new Fifo<Waiting>();
  #waitingBytes = 0;
  #running = 0;

  constructor({ endpoint, timeoutMs, tls }: BackendOptions) {
    const url = new URL(endpoint);
    this.#path = url.pathname + url.search;
    this.#timeoutMs = timeoutMs;
    this.#pool = new Pool(url.origin, {
      connections: CONNECTIONS_MAX,
      connect: { ...(tls as object), timeout: timeoutMs },
      // There is one deadline for everything.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: REPLY_MAX_BYTES,
    });
  }

  /** Rejects with an error whose message may be logged. */
  async post(headers: Record<string, string>, body: Buffer): Promise<HttpReply> {
    const deadline = new AbortController();
    const expire = (): void => deadline.abort(new BackendError(`no reply within ${this.#timeoutMs} ms`));
    const timer = setTimeout(expire, this.#timeoutMs);
    try {
      await this.#turn(body.length, deadline.signal);
      try {
        return await this.#exchange(headers, body, deadline.signal);
      } finally {
        this.#next();
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends what is under way. */
  close(): Promise<void> {
    return this.#pool.destroy();
  }

  #turn(bytes: number, deadline: AbortSignal): Promise<void> | undefined {
    if (this.#running < CONNECTIONS_MAX) {
      this.#running++;
      return undefined;
    }
    if (this.#waiting.length >= WAITING_MAX_REQUESTS || this.#waitingBytes + bytes > WAITING_MAX_BYTES) {
      throw new BackendError('too many requests wait for replies to earlier ones');
    }
    this.#waitingBytes += bytes;
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { bytes, start: resolve };
      this.#waiting.push(waiting);
      deadline.onabort = () => {
        if (waiting.start === undefined) return;
        waiting.start = undefined;
        this.#waitingBytes -= bytes;
        reject(deadline.reason);
      };
    });
  }

  /** Hand the connection on to the next that still waits. */
  #next(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { start, bytes } = next;
      if (start === undefined) continue;
      next.start = undefined;
      this.#waitingBytes -= bytes;
      start();
      return;
    }
    this.#running--;
  }

  async #exchange(headers: Record<string, string>, body: Buffer, signal: AbortSignal): Promise<HttpReply> {
    const reply = await this.#pool.request({ path: this.#path, method: 'POST', headers, body, signal });
    if (reply.statusCode === 200) return { status: 200, body: await reply.body.bytes() };
    await reply.body.dump();
    return { status: reply.statusCode, body: NO_BODY };
  }
}
