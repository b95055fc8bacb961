/** HTTP as handlers see it, free of any server library. */
import type { Bytes } from '../protocol/messages.js';

/** What is there of a request before its body. Not to be kept. */
export interface HttpHead {
  /** Lower case. */
  readonly method: string;
  /** Raw query string, without '?'. */
  readonly query: string;
  /** Value of a header, '' if absent. */
  header(name: string): string;
}

export interface HttpRequest {
  /** Lower case. */
  readonly method: string;
  /** Without query. */
  readonly path: string;
  /** Value of a header, '' if absent. Only headers named at registration can be read. */
  header(name: string): string;
  /** Raw query string, without '?'; '' where the route does not ask for it. */
  readonly query: string;
  readonly body: Buffer;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** @returns undefined where `answer` is called, now or later: once, and without a promise. */
export type HttpHandler = (
  request: HttpRequest,
  answer: (response: HttpResponse) => void,
) => HttpResponse | Promise<HttpResponse> | undefined;

/** An answer that goes on for as long as both sides want. */
export interface HttpStream {
  /** Sent, with status 200, together with the first bytes. */
  readonly headers: Readonly<Record<string, string>>;
  /** Sent at once, as a chunk of its own; empty for none. */
  readonly preamble: Bytes;
  /** Nothing is sent ahead of the first bytes, so that the answer may still be {@link StreamBody.refuse}. */
  readonly mayRefuse: boolean;
  /**
   * Some bytes that mean nothing to the reader, at any time: the library hands on what it keeps only along with more.
   */
  readonly filler: Bytes;
  open(body: StreamBody): StreamOwner;
}

/** The sending end. After `end`, `destroy` or `closed` its methods do nothing. */
export interface StreamBody {
  /** @returns false when not all of it has left: `writable` follows. */
  write(bytes: Bytes): boolean;
  /** Last bytes. What is kept still goes out, to a peer that reads on. */
  end(bytes: Bytes): void;
  /** Answer this instead. @returns false if there was an answer already: nothing has happened then. */
  refuse(answer: HttpResponse): boolean;
  /** Close at once. */
  destroy(): void;
}

/** Calls come from native callbacks, and must not throw. */
export interface StreamOwner {
  /** There is room again. */
  writable(): void;
  /** By the peer, an error, or the app: not by what the owner itself did. */
  closed(): void;
}

export type StreamHandler = (request: HttpRequest) => HttpResponse | HttpStream;

export interface StreamRoute extends Omit<HttpRoute, 'handle'> {
  readonly handle: StreamHandler;
}

export interface HttpRoute {
  /** Method-agnostic: the handler answers 405 itself. Ends in '/*' for a prefix. */
  readonly path: string;
  /**
   * Whether to let a request in: what it returns is the answer. It reads what it needs and nothing is copied for it, where
   * each header that the handler is to have takes a call into the library and a string.
   */
  readonly guard?: (head: HttpHead) => HttpResponse | undefined;
  /** Header names (lower case) that the handler reads; a request does not outlive its callback, so they are copied. */
  readonly headers: readonly string[];
  /** The handler reads the query. */
  readonly readsQuery?: boolean;
  /** Larger bodies are answered 413. */
  readonly maxBodyBytes: number;
  readonly handle: HttpHandler;
}
