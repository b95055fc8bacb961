/** HTTP as handlers see it, free of any server library. */

export interface HttpRequest {
  /** Lower case. */
  readonly method: string;
  /** Without query. */
  readonly path: string;
  /** Value of a header, '' if absent. Only headers named at registration can be read. */
  header(name: string): string;
  /** Raw query string, without '?'. */
  readonly query: string;
  readonly body: Buffer;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export type HttpHandler = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

export interface HttpRoute {
  /** Method-agnostic: the handler answers 405 itself. Ends in '/*' for a prefix. */
  readonly path: string;
  /** Header names (lower case) that the handler reads; a request does not outlive its callback, so they are copied. */
  readonly headers: readonly string[];
  /** Larger bodies are answered 413. */
  readonly maxBodyBytes: number;
  readonly handle: HttpHandler;
}
