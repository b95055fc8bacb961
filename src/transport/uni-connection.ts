import type { OpenSession } from '../clients/socket.js';
import { asBuffer } from '../lib/bytes.js';
import { jsonCodec } from '../protocol/codecs.js';
import { disconnects } from '../protocol/codes.js';
import type { Bytes } from '../protocol/messages.js';
import { Connection, type ConnectionContext, type Handshake, type SocketData } from './connection.js';
import { readConnect } from './read-connect.js';
import type { WebSocket } from './uws.js';
import type { WebSocketOptions } from './websocket-options.js';

/** `uni_websocket.*` of the configuration. */
export interface UniWebSocketOptions extends WebSocketOptions {
  readonly disable_closing_handshake: boolean;
  readonly disable_disconnect_push: boolean;
  readonly join_push_messages: boolean;
}

const NEWLINE = 0x0a;

/**
 * One unidirectional connection: it hears a connect request, in the URL or as the first message, and nothing else. What it
 * says are bare pushes in JSON, the last of them why it ends.
 */
export class UniConnection extends Connection {
  private asked = false;

  constructor(
    ws: WebSocket<SocketData>,
    context: ConnectionContext,
    handshake: Handshake,
    private readonly options: UniWebSocketOptions,
  ) {
    super(ws, context, handshake);
  }

  override opened(open: OpenSession, handshake: Handshake): void {
    super.opened(open, handshake);
    const { request } = handshake;
    if (request === undefined) return;
    this.asked = true;
    this.guard(() => this.session?.connect(request));
  }

  override send(frame: Bytes, binary: boolean): 0 | 1 | 2 {
    const isOne = this.options.join_push_messages || asBuffer(frame).indexOf(NEWLINE) < 0;
    return isOne ? super.send(frame, binary) : this.sendAll(messagesOf(frame), binary);
  }

  override end(code: number, reason: string): void {
    if (!this.options.disable_disconnect_push) {
      super.send(jsonCodec.encodePush({ disconnect: { code, reason } }, true), jsonCodec.binary);
    }
    this.finish(code, reason);
  }

  protected override heard(message: Buffer): void {
    if (this.asked) return;
    this.asked = true;
    // A copy: the session keeps payloads.
    const request = readConnect(Buffer.from(message));
    if (request !== undefined) this.session?.connect(request);
    else this.finish(disconnects.badRequest.code, disconnects.badRequest.reason);
  }

  private finish(code: number, reason: string): void {
    if (!this.options.disable_closing_handshake) this.close(code, reason);
    // Not at once: closed within a callback, the library forgets what was written in it.
    else setImmediate(() => this.destroy());
  }
}

/** A frame holds the messages of a turn. In JSON no newline stands in a message. */
function messagesOf(frame: Bytes): Bytes[] {
  const bytes = asBuffer(frame);
  const messages: Bytes[] = [];
  let from = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, from)) {
    messages.push(bytes.subarray(from, at));
    from = at + 1;
  }
  messages.push(bytes.subarray(from));
  return messages;
}
