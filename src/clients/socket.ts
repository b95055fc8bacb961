/** What a connection needs from its transport, and what the transport tells it. The only seam between the two. */
import type { ClientError, Disconnect } from '../protocol/codes.js';
import type { Bytes, ConnectRequest } from '../protocol/messages.js';

/** Result of {@link Socket.send}. */
export const SENT = 1;
/** Taken, but not all of it has left: `drained` follows. */
export const BUFFERED = 0;
/** Not taken: bytes are missing from the stream, the connection must be given up. */
export const DROPPED = 2;

export interface Socket {
  /** Nothing is written to one that is not. */
  readonly alive: boolean;
  /** Write one frame. The bytes are read before the call returns. */
  send(frame: Bytes, binary: boolean): 0 | 1 | 2;
  /** Native WebSocket ping; only over `uni_websocket`, and where the peer asked for `framePingPong`. */
  ping(): void;
  /**
   * Close politely: with a close frame, or a disconnect push where there are none or the peer is unidirectional. `closed`
   * follows.
   *
   * @param refusal  set when a unidirectional client's connect has failed: with what, before it was made a disconnect.
   */
  end(code: number, reason: string, refusal?: ClientError | Disconnect): void;
  /** Close at once. `closed` follows. */
  destroy(): void;
}

export type Transport = 'websocket' | 'http_stream' | 'sse' | UniTransport;

/** Nothing is heard of these peers but a request to connect, and nothing is said to them but bare pushes. */
export type UniTransport = 'uni_websocket' | 'uni_sse' | 'uni_http_stream' | 'uni_grpc';

export interface Peer {
  readonly transport: Transport;
  readonly protocol: 'json' | 'protobuf';
  /** `cf_ws_frame_ping_pong=true`: native ping frames instead of protocol pings. */
  readonly framePingPong: boolean;
  /** Request headers that the configuration asks for (user id header, proxied headers), names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** One connection, as its transport sees it. Calls come from the socket's own thread, never after `closed`. */
export interface Session {
  /** A whole frame. `frame` is only valid during the call. Not for unidirectional transports. */
  receive(frame: Bytes): void;
  /** What unidirectional transports call instead, once. Payloads in `request` are kept: they must not be changed later. */
  connect(request: ConnectRequest): void;
  drained(): void;
  /** Native pong frame. */
  ponged(): void;
  closed(): void;
}

export type OpenSession = (socket: Socket, peer: Peer) => Session;
