/** HTTP routes on an app: reads requests whole, runs their handlers, writes the answers. */
import { STATUS_CODES } from 'node:http';
import type {
  HttpHandler,
  HttpHead,
  HttpRequest,
  HttpResponse,
  HttpRoute,
  HttpStream,
  StreamHandler,
  StreamRoute,
} from './http.js';
import { ResponseBody } from './response-body.js';
import type { Routes } from './secure-app.js';
import type * as uws from './uws.js';
import { writeResponse } from './write-response.js';

const NO_BODY = Buffer.alloc(0);

/** Plain text answer in the form of Go's `http.Error`, which backends of Centrifugo are used to. */
export function textResponse(status: number, text = STATUS_CODES[status]): HttpResponse {
  return { status, headers: { 'Content-Type': 'text/plain; charset=utf-8' }, body: `${text}\n` };
}

const NOT_FOUND = textResponse(404, '404 page not found');
const TOO_LARGE = textResponse(413);
const INTERNAL_ERROR = textResponse(500);

/**
 * Register routes, and an answer 404 for every other path: to be called last for an app.
 *
 * A handler that throws or rejects is answered 500.
 *
 * @param onError  told of such errors; must not throw
 */
export function registerHttp(
  app: Routes,
  routes: readonly (HttpRoute | StreamRoute)[],
  onError: (error: unknown) => void,
): void {
  for (const route of routes) {
    app.any(route.path, (res, req) => new Exchange(res, req, onError).run(req, route));
  }
  app.any('/*', (res, req) => new Exchange(res, req, onError).answer(NOT_FOUND));
}

/** One request and its answer. Methods must not throw: they run in native callbacks. */
class Exchange {
  /** Answered or aborted: the response must not be touched. */
  private over = false;
  private watched = false;
  /** In a callback of the library, which corks the response for as long. */
  private corked = false;
  private stream: ResponseBody | undefined;
  private readonly method: string;

  constructor(
    private readonly res: uws.HttpResponse,
    req: uws.HttpRequest,
    private readonly onError: (error: unknown) => void,
  ) {
    this.method = req.getMethod();
  }

  run(req: uws.HttpRequest, route: HttpRoute | StreamRoute): void {
    const request = new Request(req, this.method, route);
    const refusal = this.refusal(req, route);
    const handler = refusal === undefined ? route.handle : () => refusal;
    const length = req.getHeader('content-length');
    if (length === '' ? req.getHeader('transfer-encoding') !== '' : length !== '0') {
      this.watchAbort();
      this.collectBody(Number(length), route.maxBodyBytes, (body) => {
        request.body = body;
        this.handle(handler, request);
      });
      return;
    }
    this.handle(handler, request);
    if (!this.over) this.watchAbort();
  }

  private refusal(req: uws.HttpRequest, route: HttpRoute | StreamRoute): HttpResponse | undefined {
    try {
      return route.guard?.(new Head(req, this.method));
    } catch (error) {
      this.onError(error);
      return INTERNAL_ERROR;
    }
  }

  private watchAbort(): void {
    if (this.watched) return;
    this.watched = true;
    this.res.onAborted(() => {
      this.over = true;
      this.stream?.aborted();
    });
  }

  private handle(handler: HttpHandler | StreamHandler, request: HttpRequest): void {
    this.corked = true;
    try {
      const answer = handler(request, (response) => this.answer(response));
      if (answer === undefined) return;
      if (answer instanceof Promise) {
        answer.then(
          (response) => this.answer(response),
          (error) => this.fail(error),
        );
      } else if ('open' in answer) this.openStream(answer);
      else this.answer(answer);
    } catch (error) {
      this.fail(error);
    } finally {
      this.corked = false;
    }
  }

  private openStream(stream: HttpStream): void {
    this.watchAbort();
    this.stream = new ResponseBody(this.res, stream);
    this.over = true;
    this.stream.open();
  }

  /** @param announcedBytes  0 when the length is not known in advance */
  private collectBody(announcedBytes: number, maxBytes: number, done: (body: Buffer) => void): void {
    if (announcedBytes > maxBytes) {
      this.answer(TOO_LARGE, true);
      return;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    this.res.onData((chunk, isLast) => {
      if (this.over) return;
      bytes += chunk.byteLength;
      if (bytes > maxBytes) {
        this.answer(TOO_LARGE, true);
        return;
      }
      // The chunk is detached when this returns, and the body must outlive it: one copy.
      const copy = Buffer.allocUnsafe(chunk.byteLength);
      copy.set(new Uint8Array(chunk));
      if (isLast && chunks.length === 0) return done(copy);
      chunks.push(copy);
      if (isLast) done(Buffer.concat(chunks, bytes));
    });
  }

  private fail(error: unknown): void {
    this.onError(error);
    this.answer(INTERNAL_ERROR);
  }

  /** @param close  end the connection as well: the rest of the request is not wanted */
  answer(response: HttpResponse, close = false): void {
    if (this.over) return;
    this.over = true;
    try {
      const write = (): void => writeResponse(this.res, response, this.method === 'head', close);
      if (this.corked) write();
      else this.res.cork(write);
    } catch (error) {
      this.onError(error);
      this.res.close();
    }
  }
}

/** The native request, which is gone when its callback returns. */
class Head implements HttpHead {
  constructor(
    private readonly req: uws.HttpRequest,
    readonly method: string,
  ) {}

  get query(): string {
    return this.req.getQuery() ?? '';
  }

  header(name: string): string {
    return this.req.getHeader(name);
  }
}

/** What a handler sees: a copy, because the native request is gone when its callback returns. */
class Request implements HttpRequest {
  readonly path: string;
  readonly query: string;
  body: Buffer = NO_BODY;
  private readonly headerNames: readonly string[];
  private readonly headers: string[];

  constructor(
    req: uws.HttpRequest,
    readonly method: string,
    route: Pick<HttpRoute, 'path' | 'headers' | 'readsQuery'>,
  ) {
    // Each of these is a call into the library and a string.
    this.path = route.path.endsWith('/*') ? req.getUrl() : route.path;
    this.query = route.readsQuery ? (req.getQuery() ?? '') : '';
    this.headerNames = route.headers;
    this.headers = [];
    for (const name of route.headers) this.headers.push(req.getHeader(name));
  }

  header(name: string): string {
    const value = this.headers[this.headerNames.indexOf(name)];
    if (value === undefined) throw new Error(`header ${name} is not among those the route asks for`);
    return value;
  }
}
