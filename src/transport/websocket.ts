/** WebSocket endpoints: from upgrade requests to sessions. */
import { STATUS_CODES } from 'node:http';
import type { OpenSession } from '../clients/socket.js';
import { Connection, type ConnectionContext, type Handshake, type SocketData } from './connection.js';
import {
  asksForUpgrade,
  chooseSubprotocol,
  type HandshakeRules,
  type Refusal,
  readPeer,
  refusal,
} from './handshake.js';
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
      const decision = decide(req, res, endpoint, limits);
      if (typeof decision === 'number') {
        refuse(res, decision);
        return;
      }
      const { subprotocol, ...handshake } = decision;
      const data: SocketData = { handshake, connection: undefined };
      const extensions = req.getHeader('sec-websocket-extensions');
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
    refuse(res, req.getMethod() !== 'get' && asksForUpgrade(req) ? 405 : 400);
  });
}

/** What to do with an upgrade request: refuse with a status, or accept on these terms. */
function decide(
  req: HttpRequest,
  res: HttpResponse,
  endpoint: WebSocketEndpoint,
  limits: WebSocketLimits,
): Refusal | (Handshake & { subprotocol: string }) {
  try {
    const status = refusal(req, endpoint);
    if (status !== undefined) return status;
    const subprotocol = chooseSubprotocol(req.getHeader('sec-websocket-protocol'));
    const offersDeflate = req.getHeader('sec-websocket-extensions').includes('permessage-deflate');
    const compressed = endpoint.options.compression && offersDeflate;
    const maxMessageBytes = compressed ? limits.maxDecompressedBytes : limits.maxMessageBytes;
    return { peer: readPeer(req, res, subprotocol, endpoint.headers), compressed, maxMessageBytes, subprotocol };
  } catch (error) {
    endpoint.onError(error);
    return 500;
  }
}

function refuse(res: HttpResponse, status: Refusal): void {
  const text = STATUS_CODES[status]!;
  res
    .writeStatus(`${status} ${text}`)
    .writeHeader('Content-Type', 'text/plain; charset=utf-8')
    .writeHeader('Sec-WebSocket-Version', '13')
    .end(`${text}\n`);
}
