import { BUFFERED, DROPPED, type OpenSession, type Peer, SENT, type Session, type Socket } from '../clients/socket.js';
import type { Bytes, ConnectRequest } from '../protocol/messages.js';
import type { StallWatch } from './stalls.js';
import type { WebSocket } from './uws.js';

const MESSAGE_TOO_BIG = 1009;

/** What the connections of one endpoint share. */
export interface ConnectionContext {
  readonly compressionMinBytes: number;
  readonly stalls: StallWatch;
  /** Told of whatever a session throws; must not throw. */
  onError(error: unknown): void;
}

/** The native socket's user data: the library copies each of its fields onto its own object, so there is only one. */
export interface SocketData {
  /** Until it is open, what it is to become a connection by. */
  connection: Connection | Handshake;
}

export interface Handshake {
  readonly peer: Peer;
  readonly compressed: boolean;
  readonly maxMessageBytes: number;
  /** What a unidirectional client asked for in the URL. */
  readonly request?: ConnectRequest | undefined;
}

/**
 * One WebSocket connection: the native socket made safe to use at any time, and its session's calls made safe for the
 * native code they come from.
 *
 * Writes are not corked here: the library does that for one frame by itself, and for all frames within a callback.
 */
export class Connection implements Socket {
  /** Undefined once closed: the library throws on any use after that. */
  private ws: WebSocket<SocketData> | undefined;
  protected session: Session | undefined;
  private readonly compressed: boolean;
  private readonly maxMessageBytes: number;

  constructor(
    ws: WebSocket<SocketData>,
    private readonly context: ConnectionContext,
    { compressed, maxMessageBytes }: Handshake,
  ) {
    this.ws = ws;
    this.compressed = compressed;
    this.maxMessageBytes = maxMessageBytes;
  }

  // ---- Socket: what the session does ----

  /** Looks at the native socket's object, too: who asks is about to write, and has it fetched from memory by this. */
  get alive(): boolean {
    return this.ws?.send !== undefined;
  }

  send(frame: Bytes, binary: boolean): 0 | 1 | 2 {
    if (this.ws === undefined) return DROPPED;
    const result = this.ws.send(frame, binary, this.compresses(frame)) as 0 | 1 | 2;
    if (result === BUFFERED) this.context.stalls.start(this);
    return result;
  }

  /** Several frames in one write. The library says of the single ones that they are sent, whatever becomes of them. */
  protected sendAll(frames: readonly Bytes[], binary: boolean): 0 | 1 | 2 {
    const { ws } = this;
    if (ws === undefined) return DROPPED;
    let dropped = false;
    ws.cork(() => {
      for (const frame of frames) dropped ||= ws.send(frame, binary, this.compresses(frame)) === DROPPED;
    });
    if (dropped) return DROPPED;
    if (ws.getBufferedAmount() === 0) return SENT;
    this.context.stalls.start(this);
    return BUFFERED;
  }

  private compresses(frame: Bytes): boolean {
    return this.compressed && frame.length > this.context.compressionMinBytes;
  }

  ping(): void {
    if (this.ws !== undefined && this.ws.ping() === BUFFERED) this.context.stalls.start(this);
  }

  end(code: number, reason: string): void {
    this.close(code, reason);
  }

  /** Send a close frame. The library ends the connection for good some four seconds later, whatever the peer does. */
  protected close(code: number, reason: string): void {
    this.release()?.end(code, reason);
  }

  destroy(): void {
    this.release()?.close();
  }

  /**
   * The native close callback runs inside `end` and `close`. The session hears of it when its own code has returned, as
   * it does when the peer closes.
   */
  private release(): WebSocket<SocketData> | undefined {
    const ws = this.ws;
    if (ws !== undefined) {
      this.forget();
      queueMicrotask(() => this.tellClosed());
    }
    return ws;
  }

  private forget(): void {
    this.ws = undefined;
    this.context.stalls.stop(this);
  }

  // ---- What the library reports; none of these throws ----

  opened(open: OpenSession, { peer }: Handshake): void {
    const opened = this.guard(() => {
      this.session = open(this, peer);
    });
    if (!opened) this.destroy();
  }

  received(message: ArrayBuffer): void {
    // A session that has closed its connection hears nothing more; the library delivers what it had already read.
    if (this.ws === undefined) return;
    if (message.byteLength > this.maxMessageBytes) {
      this.close(MESSAGE_TOO_BIG, '');
      return;
    }
    try {
      this.heard(Buffer.from(message));
    } catch (error) {
      this.context.onError(error);
    }
  }

  /** @param message  only valid during the call. */
  protected heard(message: Buffer): void {
    this.session?.receive(message);
  }

  drained(): void {
    if (this.ws === undefined) return;
    if (this.ws.getBufferedAmount() > 0) {
      this.context.stalls.progress(this);
      return;
    }
    this.context.stalls.stop(this);
    this.guard(() => this.session?.drained());
  }

  ponged(): void {
    if (this.ws !== undefined) this.guard(() => this.session?.ponged());
  }

  /** By the peer, an error, or the app: not by {@link end} or {@link destroy}, which have told the session already. */
  closed(): void {
    if (this.ws === undefined) return;
    this.forget();
    this.tellClosed();
  }

  private tellClosed(): void {
    const session = this.session;
    this.session = undefined;
    this.guard(() => session?.closed());
  }

  /** @returns false if it threw. */
  protected guard(run: () => void): boolean {
    try {
      run();
      return true;
    } catch (error) {
      this.context.onError(error);
      return false;
    }
  }
}
