/**
 * Requests to one endpoint of the application, over HTTP/1.1 connections that are kept alive, each used by one request at
 * a time. Nothing is retried: the application may have acted on what it did not answer.
 */
import type { ConnectionOptions } from 'node:tls';
import { Pool } from 'undici';
import type { Bytes } from '../protocol/messages.js';
import { Gate, RUNNING_MAX_REQUESTS } from './gate.js';

/** Longer replies fail. */
export const REPLY_MAX_BYTES = 16 << 20;

export interface HttpBackendOptions {
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

const NO_BODY = Buffer.alloc(0);

export class HttpBackend {
  readonly #pool: Pool;
  readonly #path: string;
  readonly #gate: Gate;

  constructor({ endpoint, timeoutMs, tls }: HttpBackendOptions) {
    const url = new URL(endpoint);
    this.#path = url.pathname + url.search;
    this.#gate = new Gate(timeoutMs);
    this.#pool = new Pool(url.origin, {
      connections: RUNNING_MAX_REQUESTS,
      connect: { ...(tls as object), timeout: timeoutMs },
      // There is one deadline for everything.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: REPLY_MAX_BYTES,
    });
  }

  /** Rejects with an error whose message may be logged. */
  post(headers: Record<string, string>, body: Buffer): Promise<HttpReply> {
    return this.#gate.run(body.length, (deadline) => this.#exchange(headers, body, deadline));
  }

  /** Ends what is under way. */
  close(): Promise<void> {
    this.#gate.close();
    return this.#pool.destroy();
  }

  async #exchange(headers: Record<string, string>, body: Buffer, signal: AbortSignal): Promise<HttpReply> {
    const reply = await this.#pool.request({ path: this.#path, method: 'POST', headers, body, signal });
    if (reply.statusCode === 200) return { status: 200, body: await reply.body.bytes() };
    await reply.body.dump();
    return { status: reply.statusCode, body: NO_BODY };
  }
}
