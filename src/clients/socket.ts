/** What a connection needs from its transport, and what the transport tells it. The only seam between the two. */
import type { Bytes } from '../protocol/messages.js';

/** Result of {@link Socket.send}. */
export const SENT = 1;
/** Taken, but not all of it has left: `drained` follows. */
export const BUFFERED = 0;
/** Not taken: bytes are missing from the stream, the connection must be given up. */
export const DROPPED = 2;

export interface Socket {
  /** Write one frame. The bytes are read before the call returns. */
  send(frame: Bytes, binary: boolean): 0 | 1 | 2;
  /** Native WebSocket ping; only where the peer asked for `framePingPong`. */
  ping(): void;
  /** Close politely: with a close frame, or a disconnect push where there are none. `closed` follows. */
  end(code: number, reason: string): void;
  /** Close at once. `closed` follows. */
  destroy(): void;
}

export interface Peer {
  readonly transport: 'websocket' | 'http_stream' | 'sse';
  readonly protocol: 'json' | 'protobuf';
  /** `cf_ws_frame_ping_pong=true`: native ping frames instead of protocol pings. */
  readonly framePingPong: boolean;
  /** Request headers that the configuration asks for (user id header, proxied headers), names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly remoteAddress: string;
}

/** One connection, as its transport sees it. Calls come from the socket's own thread, never after `closed`. */
export interface Session {
  /** A whole frame. `frame` is only valid during the call. */
  receive(frame: Bytes): void;
  drained(): void;
  /** Native pong frame. */
  ponged(): void;
  closed(): void;
}

export type OpenSession = (socket: Socket, peer: Peer) => Session;
