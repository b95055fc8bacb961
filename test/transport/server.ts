/** A real app on a free port in this process, with sessions that record what they are told. */
import { connect as connectTcp, type Socket as TcpSocket } from 'node:net';
import { type ClientOptions, WebSocket } from 'ws';
import type { Peer, Session, Socket } from '../../src/clients/socket.js';
import type { ConnectRequest } from '../../src/protocol/messages.js';
import type { HttpRoute, StreamRoute } from '../../src/transport/http.js';
import { registerHttp } from '../../src/transport/http-server.js';
import type { UniWebSocketOptions } from '../../src/transport/uni-connection.js';
import { registerUniWebSocket } from '../../src/transport/uni-websocket.js';
import { type TemplatedApp, type us_listen_socket, uws } from '../../src/transport/uws.js';
import { registerWebSocket, type WebSocketEndpoint } from '../../src/transport/websocket.js';
import type { WebSocketOptions } from '../../src/transport/websocket-options.js';

export const defaults: WebSocketOptions = {
  compression: false,
  compression_min_size: 0,
  compression_level: 1,
  read_buffer_size: 0,
  use_write_buffer_pool: false,
  write_buffer_size: 0,
  write_timeout: 1000,
  message_size_limit: 65536,
  decompressed_message_size_limit: 0,
};

const uniDefaults: UniWebSocketOptions = {
  ...defaults,
  disable_closing_handshake: false,
  disable_disconnect_push: false,
  join_push_messages: false,
};

/** Records; `on` makes it act. */
export class RecordingSession implements Session {
  readonly messages: string[] = [];
  readonly requests: ConnectRequest[] = [];
  drains = 0;
  pongs = 0;
  closes = 0;
  constructor(
    readonly socket: Socket,
    readonly peer: Peer,
    private readonly on: Actions,
  ) {
    on.open?.(socket, this);
  }
  receive(frame: Uint8Array) {
    const text = Buffer.from(frame).toString();
    this.messages.push(text);
    this.on.receive?.(this.socket, text);
  }
  connect(request: ConnectRequest) {
    this.requests.push(request);
    this.on.connect?.(this.socket, request);
  }
  drained() {
    this.drains++;
    this.on.drained?.(this.socket);
  }
  ponged() {
    this.pongs++;
    this.on.ponged?.(this.socket);
  }
  closed() {
    this.closes++;
    this.on.closed?.(this.socket);
  }
}

export interface Actions {
  open?(socket: Socket, session: RecordingSession): void;
  receive?(socket: Socket, text: string): void;
  connect?(socket: Socket, request: ConnectRequest): void;
  drained?(socket: Socket): void;
  ponged?(socket: Socket): void;
  closed?(socket: Socket): void;
}

export interface Setup extends Partial<Omit<WebSocketEndpoint, 'options' | 'open'>> {
  options?: Partial<WebSocketOptions>;
  uni?: Partial<UniWebSocketOptions>;
  on?: Actions;
  routes?: (HttpRoute | StreamRoute)[];
}

export interface TestServer {
  readonly port: number;
  readonly url: string;
  readonly ws: string;
  readonly uni: string;
  readonly sessions: RecordingSession[];
  readonly errors: unknown[];
  readonly app: TemplatedApp;
  close(): void;
}

export function startServer({ options, uni, on = {}, routes = [], ...endpoint }: Setup = {}): TestServer {
  const sessions: RecordingSession[] = [];
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const app = uws().App();
  const common: Omit<WebSocketEndpoint, 'path' | 'options'> = {
    allowsOrigin: () => true,
    admit: () => 'ok',
    headers: [],
    open(socket, peer) {
      const session = new RecordingSession(socket, peer, on);
      sessions.push(session);
      return session;
    },
    onError,
    ...endpoint,
  };
  registerWebSocket(app, { path: '/ws', options: { ...defaults, ...options }, ...common });
  registerUniWebSocket(app, { path: '/uni', options: { ...uniDefaults, ...uni }, ...common });
  registerHttp(app, routes, onError);
  const bound: (us_listen_socket | false)[] = [];
  app.listen('127.0.0.1', 0, (socket) => void bound.push(socket));
  const [listening] = bound;
  if (!listening) throw new Error('cannot listen');
  const port = uws().us_socket_local_port(listening);
  const host = `127.0.0.1:${port}`;
  const [url, ws, uniUrl] = [`http://${host}`, `ws://${host}/ws`, `ws://${host}/uni`];
  return { port, url, ws, uni: uniUrl, sessions, errors, app, close: () => void app.close() };
}

export interface Refused {
  status: number;
  body: string;
}

/** Resolves with an open client, or with the HTTP answer that was given instead. */
export function connect(url: string, protocols: string[] = [], options: ClientOptions = {}) {
  return new Promise<WebSocket | Refused>((resolve, reject) => {
    const client = new WebSocket(url, protocols, { perMessageDeflate: false, ...options });
    client.once('open', () => resolve(client));
    client.once('error', reject);
    client.once('unexpected-response', async (_, response) => {
      let body = '';
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode ?? 0, body });
    });
  });
}

export async function open(url: string, protocols: string[] = [], options: ClientOptions = {}): Promise<WebSocket> {
  const client = await connect(url, protocols, options);
  if (client instanceof WebSocket) return client;
  throw new Error(`refused with ${client.status}`);
}

export function closing(client: WebSocket): Promise<[code: number, reason: string]> {
  return new Promise((resolve) => client.once('close', (code, reason) => resolve([code, reason.toString()])));
}

export function message(client: WebSocket): Promise<string> {
  return new Promise((resolve) => client.once('message', (data) => resolve(data.toString())));
}

/** A TCP connection on which bytes can be written as they are. Resolves to everything received until the end. */
export class RawClient {
  private received = Buffer.alloc(0);
  readonly socket: TcpSocket;
  readonly ended: Promise<Buffer>;

  constructor(port: number) {
    this.socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    this.ended = new Promise((resolve) => {
      const finish = () => resolve(this.received);
      this.socket.once('end', finish).once('error', finish).once('close', finish);
    });
  }

  write(bytes: string | Uint8Array) {
    this.socket.write(bytes);
    return this;
  }

  /** Wait until what was received contains `text`. */
  async until(text: string): Promise<string> {
    while (!this.received.includes(text)) await new Promise((resolve) => this.socket.once('data', resolve));
    return this.received.toString('latin1');
  }

  async upgrade(path = '/ws') {
    this.write(
      `GET ${path} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    await this.until('\r\n\r\n');
    this.received = Buffer.alloc(0);
    return this;
  }

  destroy() {
    this.socket.destroy();
  }
}

/** A client's frame: first byte (FIN, reserved bits, opcode), payload, masked unless told otherwise. */
export function frame(first: number, payload: string | Uint8Array = '', masked = true): Buffer {
  const body = Buffer.from(payload);
  const length = body.length < 126 ? Buffer.of(body.length) : Buffer.of(126, body.length >> 8, body.length & 255);
  if (masked) length[0]! |= 0x80;
  return Buffer.concat([Buffer.of(first), length, masked ? Buffer.alloc(4) : Buffer.alloc(0), body]);
}
