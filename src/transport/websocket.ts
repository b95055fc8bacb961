/** WebSocket endpoints: from upgrade requests to sessions. */
import { STATUS_CODES } from 'node:http';
import type { OpenSession } from '../clients/socket.js';
import { Connection, type ConnectionContext, type Handshake, type SocketData } from './connection.js';
import { asksForUpgrade, chooseSubprotocol, type HandshakeRules, readPeer, refusal } from './handshake.js';
import { StallWatch } from './stalls.js';
import { type HttpRequest, type HttpResponse, type TemplatedApp, uws, type WebSocket } from './uws.js';
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

/**
 * Serve WebSocket connections on a path. Text and binary messages are both taken, whatever the protocol.
 *
 * Close codes of its own: 1009 for a message over the limit. Invalid frames close without a close frame.
 */
export function registerWebSocket(app: TemplatedApp, endpoint: WebSocketEndpoint): void {
  const { options } = endpoint;
  const limits = websocketLimits(options);
  const context: ConnectionContext = {
    compressionMinBytes: options.compression_min_size,
    stalls: new StallWatch(limits.writeTimeoutMs),
    onError: (error) => endpoint.onError(error),
  };
  const connectionOf = (ws: WebSocket<SocketData>) => ws.getUserData().connection;

  app.ws<SocketData>(endpoint.path, {
    maxPayloadLength: limits.maxPayloadBytes,
    compression: options.compression ? uws().SHARED_COMPRESSOR : uws().DISABLED,
    // Sessions have their own pings and their own policy for slow peers.
    idleTimeout: 0,
    sendPingsAutomatically: false,
    maxBackpressure: 0,
    closeOnBackpressureLimit: false,

    upgrade(res, req, socketContext) {
      const status = refusal(req, endpoint);
      if (status !== undefined) {
        refuse(res, status);
        return;
      }
      const subprotocol = chooseSubprotocol(req.getHeader('sec-websocket-protocol'));
      const extensions = req.getHeader('sec-websocket-extensions');
      const handshake = readHandshake(req, res, subprotocol, extensions, endpoint, limits);
      const data: SocketData = { handshake, connection: undefined };
      res.upgrade(data, req.getHeader('sec-websocket-key'), subprotocol, extensions, socketContext);
    },
    open(ws) {
      const data = ws.getUserData();
      const { peer, compressed, maxMessageBytes } = data.handshake!;
      data.handshake = undefined;
      data.connection = new Connection(ws, context, compressed, maxMessageBytes);
      data.connection.opened(endpoint.open, peer);
    },
    message: (ws, message) => connectionOf(ws)?.received(message),
    drain: (ws) => connectionOf(ws)?.drained(),
    pong: (ws) => connectionOf(ws)?.ponged(),
    close: (ws) => connectionOf(ws)?.closed(),
  });

  // Whatever has no WebSocket key comes here.
  app.any(endpoint.path, (res, req) => {
    if (endpoint.admit() === 'busy') refuse(res, 503);
    else refuse(res, req.getMethod() !== 'get' && asksForUpgrade(req) ? 405 : 400);
  });
}

function readHandshake(
  req: HttpRequest,
  res: HttpResponse,
  subprotocol: string,
  extensions: string,
  endpoint: WebSocketEndpoint,
  limits: WebSocketLimits,
): Handshake {
  const compressed = endpoint.options.compression && extensions.includes('permessage-deflate');
  return {
    peer: readPeer(req, res, subprotocol, endpoint.headers),
    compressed,
    maxMessageBytes: compressed ? limits.maxDecompressedBytes : limits.maxMessageBytes,
  };
}

function refuse(res: HttpResponse, status: 400 | 403 | 405 | 503): void {
  const text = STATUS_CODES[status]!;
  res
    .writeStatus(`${status} ${text}`)
    .writeHeader('Content-Type', 'text/plain; charset=utf-8')
    .writeHeader('Sec-WebSocket-Version', '13')
    .end(`${text}\n`);
}
