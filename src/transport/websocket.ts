/** WebSocket endpoints: from upgrade requests to sessions. */
import { STATUS_CODES } from 'node:http';
import type { OpenSession, Peer } from '../clients/socket.js';
import { Connection, type ConnectionContext, type Handshake, type SocketData } from './connection.js';
import {
  asksForUpgrade,
  chooseSubprotocol,
  type HandshakeRules,
  type Refusal,
  readHeaders,
  readWishes,
  refusal,
} from './handshake.js';
import type { Routes } from './secure-app.js';
import { StallWatch } from './stalls.js';
import { type HttpRequest, type HttpResponse, uws, type WebSocket } from './uws.js';
import { type WebSocketLimits, type WebSocketOptions, websocketLimits } from './websocket-options.js';

export interface WebSocketEndpoint extends HandshakeRules {
  readonly path: string;
  /** Checked before by `websocketErrors`. */
  readonly options: WebSocketOptions;
  /** Names, in lower case, of request headers that sessions are given. */
  readonly headers: readonly string[];
  readonly open: OpenSession;
  /**
   * A session threw. Its connection is in an unknown state, and so may be the thread's: it should wind down.
   * Must not throw.
   */
  onError(error: unknown): void;
}

/** What tells kinds of endpoints apart. */
export interface WebSocketKind {
  /** What a request to be upgraded asks for; or what is wrong with it, for an answer of 400. */
  read(req: HttpRequest): Offer | string;
  connection(ws: WebSocket<SocketData>, context: ConnectionContext, handshake: Handshake): Connection;
}

type Offer = Pick<Handshake, 'peer' | 'request'> & { readonly subprotocol: string };

/** Serve bidirectional connections on a path. Text and binary messages are both taken, whatever the protocol. */
export function registerWebSocket(app: Routes, endpoint: WebSocketEndpoint): void {
  serveWebSocket(app, endpoint, {
    read(req) {
      const subprotocol = chooseSubprotocol(req.getHeader('sec-websocket-protocol'));
      const { protocol, framePingPong } = readWishes(req, subprotocol);
      const peer: Peer = {
        transport: 'websocket',
        protocol,
        framePingPong,
        headers: readHeaders(req, endpoint.headers),
      };
      return { peer, subprotocol };
    },
    connection: (ws, context, handshake) => new Connection(ws, context, handshake),
  });
}

/** Close codes of its own: 1009 for a message over the limit. Invalid frames close without a close frame. */
export function serveWebSocket(app: Routes, endpoint: WebSocketEndpoint, kind: WebSocketKind): void {
  const { options } = endpoint;
  const limits = websocketLimits(options);
  const context: ConnectionContext = {
    compressionMinBytes: options.compression_min_size,
    stalls: new StallWatch(limits.writeTimeoutMs),
    onError: (error) => endpoint.onError(error),
  };
  const connectionOf = (ws: WebSocket<SocketData>) => ws.getUserData().connection as Connection;

  app.ws<SocketData>(endpoint.path, {
    maxPayloadLength: limits.maxPayloadBytes,
    compression: options.compression ? uws().SHARED_COMPRESSOR : uws().DISABLED,
    // Sessions have their own pings and their own policy for slow peers.
    idleTimeout: 0,
    sendPingsAutomatically: false,
    maxBackpressure: 0,
    closeOnBackpressureLimit: false,

    upgrade(res, req, socketContext) {
      const decision = decide(req, endpoint, kind, limits);
      if (typeof decision === 'number') return refuse(res, decision);
      if (typeof decision === 'string') return refuse(res, 400, decision);
      const { handshake, subprotocol, extensions } = decision;
      const data: SocketData = { connection: handshake };
      res.upgrade(data, req.getHeader('sec-websocket-key'), subprotocol, extensions, socketContext);
    },
    open(ws) {
      const data = ws.getUserData();
      const handshake = data.connection as Handshake;
      const connection = kind.connection(ws, context, handshake);
      data.connection = connection;
      connection.opened(endpoint.open, handshake);
    },
    message: (ws, message) => connectionOf(ws).received(message),
    drain: (ws) => connectionOf(ws).drained(),
    pong: (ws) => connectionOf(ws).ponged(),
    close: (ws) => connectionOf(ws).closed(),
  });

  // Whatever has no WebSocket key comes here.
  app.any(endpoint.path, (res, req) => {
    refuse(res, req.getMethod() !== 'get' && asksForUpgrade(req) ? 405 : 400);
  });
}

interface Accepted {
  readonly handshake: Handshake;
  readonly subprotocol: string;
  /** As the client offers them, where there is something to agree on. */
  readonly extensions: string;
}

/** What to do with an upgrade request: refuse with a status or as malformed, or accept on these terms. */
function decide(
  req: HttpRequest,
  endpoint: WebSocketEndpoint,
  kind: WebSocketKind,
  limits: WebSocketLimits,
): Refusal | string | Accepted {
  try {
    const status = refusal(req, endpoint);
    if (status !== undefined) return status;
    const offer = kind.read(req);
    if (typeof offer === 'string') return offer;
    const { peer, request, subprotocol } = offer;
    const extensions = endpoint.options.compression ? req.getHeader('sec-websocket-extensions') : '';
    const compressed = extensions.includes('permessage-deflate');
    const maxMessageBytes = compressed ? limits.maxDecompressedBytes : limits.maxMessageBytes;
    return { handshake: { peer, compressed, maxMessageBytes, request }, subprotocol, extensions };
  } catch (error) {
    endpoint.onError(error);
    return 500;
  }
}

function refuse(res: HttpResponse, status: Refusal, text = STATUS_CODES[status]!): void {
  res
    .writeStatus(`${status} ${STATUS_CODES[status]}`)
    .writeHeader('Content-Type', 'text/plain; charset=utf-8')
    .writeHeader('Sec-WebSocket-Version', '13')
    .end(`${text}\n`);
}
