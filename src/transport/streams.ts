/**
 * HTTP streaming and Server-Sent Events: a request that carries the connect command, and a response on which everything
 * comes that the server says (centrifuge `handler_http_stream.go`, `handler_sse.go`). Later commands: emulation.ts.
 */
import type { OpenSession, Peer, Session, Transport } from '../clients/socket.js';
import { CORS_REQUEST_HEADERS, corsHeaders, type Headers, preflight } from './cors.js';
import { eventFraming, type Framing, streamFraming } from './framing.js';
import type { HandshakeRules } from './handshake.js';
import type { HttpRequest, HttpResponse, HttpStream, StreamRoute } from './http.js';
import { type AnswerRefusal, HttpConnection } from './http-connection.js';
import { connectParameter } from './read-connect.js';

export interface StreamEndpoint extends HandshakeRules {
  readonly path: string;
  readonly maxBodyBytes: number;
  /** Names, in lower case, of request headers that sessions are given. */
  readonly headers: readonly string[];
  readonly open: OpenSession;
  /** See WebSocketEndpoint. */
  onError(error: unknown): void;
}

const RESPONSE_HEADERS: Headers = {
  Connection: 'keep-alive',
  'X-Accel-Buffering': 'no',
  'Cache-Control': 'private, no-cache, no-store, must-revalidate, max-age=0',
  Pragma: 'no-cache',
  Expire: '0',
};

/** `POST` with commands in JSON, or in Protobuf where the content type is `application/octet-stream`. */
export function httpStreamRoute(endpoint: StreamEndpoint): StreamRoute {
  return route(endpoint, (request, cors) => {
    if (request.method === 'options') return preflight(cors);
    if (request.method !== 'post') return { status: 405, headers: cors };
    const protocol = request.header('content-type') === 'application/octet-stream' ? 'protobuf' : 'json';
    const framing = streamFraming(protocol);
    return begin(endpoint, request, cors, { transport: 'http_stream', framing, hear: receive(request.body) });
  });
}

/** `GET` with commands in the parameter `cf_connect`, or `POST`; in JSON. */
export function sseRoute(endpoint: StreamEndpoint): StreamRoute {
  return route(endpoint, (request, cors) => {
    if (request.method !== 'get' && request.method !== 'post') return { status: 405, headers: cors };
    const commands = request.method === 'get' ? connectParameter(request.query) : request.body;
    if (commands === undefined) return { status: 400, headers: cors };
    return begin(endpoint, request, cors, { transport: 'sse', framing: eventFraming, hear: receive(commands) });
  });
}

const receive = (commands: Buffer) => (session: Session) => session.receive(commands);

export function route(
  endpoint: StreamEndpoint,
  handle: (request: HttpRequest, cors: Headers) => HttpResponse | HttpStream,
): StreamRoute {
  return {
    path: endpoint.path,
    headers: [...CORS_REQUEST_HEADERS, 'content-type', ...endpoint.headers],
    readsQuery: true,
    maxBodyBytes: endpoint.maxBodyBytes,
    handle: (request) => handle(request, corsHeaders(request, endpoint.allowsOrigin)),
  };
}

export interface Opening {
  readonly transport: Transport;
  readonly framing: Framing;
  /** Has the session hear what came with the request. */
  readonly hear: (session: Session) => void;
  readonly answerRefusal?: AnswerRefusal | undefined;
}

export function begin(
  endpoint: StreamEndpoint,
  request: HttpRequest,
  cors: Headers,
  { transport, framing, hear, answerRefusal }: Opening,
): HttpResponse | HttpStream {
  if (endpoint.admit() === 'busy') return { status: 503, headers: cors };
  const peer: Peer = {
    transport,
    protocol: framing.codec.name,
    framePingPong: false,
    headers: Object.fromEntries(endpoint.headers.map((name) => [name, request.header(name)])),
  };
  return {
    headers: { ...cors, ...RESPONSE_HEADERS, 'Content-Type': framing.contentType },
    preamble: framing.preamble,
    mayRefuse: answerRefusal !== undefined,
    filler: framing.filler,
    open(body) {
      const connection = new HttpConnection(body, framing, (error) => endpoint.onError(error), answerRefusal);
      connection.open(endpoint.open, peer, hear);
      return connection;
    },
  };
}
