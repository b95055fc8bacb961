import type { Peer } from '../clients/socket.js';
import { readHeaders } from './handshake.js';
import { connectParameter, readConnect } from './read-connect.js';
import type { Routes } from './secure-app.js';
import { UniConnection, type UniWebSocketOptions } from './uni-connection.js';
import { serveWebSocket, type WebSocketEndpoint } from './websocket.js';

export interface UniWebSocketEndpoint extends WebSocketEndpoint {
  readonly options: UniWebSocketOptions;
}

/** Serve unidirectional connections on a path (Centrifugo `uniws`). No subprotocol is chosen. */
export function registerUniWebSocket(app: Routes, endpoint: UniWebSocketEndpoint): void {
  serveWebSocket(app, endpoint, {
    read(req) {
      const asked = connectParameter(req.getQuery() ?? '');
      const request = asked && readConnect(asked);
      if (asked !== undefined && request === undefined) return 'invalid connect request';
      const peer: Peer = {
        transport: 'uni_websocket',
        protocol: 'json',
        framePingPong: false,
        headers: readHeaders(req, endpoint.headers),
      };
      return { peer, request, subprotocol: '' };
    },
    connection: (ws, context, handshake) => new UniConnection(ws, context, handshake, endpoint.options),
  });
}
