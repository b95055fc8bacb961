import { BUFFERED, DROPPED, type OpenSession, type Peer, SENT, type Session, type Socket } from '../clients/socket.js';
import type { Bytes } from '../protocol/messages.js';
import type { Framing } from './framing.js';
import type { StreamBody, StreamOwner } from './http.js';

/**
 * One client connection on a streaming response: what connection.ts is for WebSocket. There are no close frames: a push
 * says why it ends.
 */
export class HttpConnection implements Socket, StreamOwner {
  private session: Session | undefined;
  private over = false;

  constructor(
    private readonly body: StreamBody,
    private readonly framing: Framing,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Open the session and let it hear the first frame, which came with the request. */
  open(open: OpenSession, peer: Peer, frame: Bytes): void {
    this.guard(() => {
      this.session = open(this, peer);
      if (!this.over) this.session.receive(frame);
    });
    if (this.session === undefined) this.destroy();
  }

  // ---- Socket ----

  send(frame: Bytes): 0 | 1 | 2 {
    if (this.over) return DROPPED;
    return this.body.write(this.framing.wrap(frame)) ? SENT : BUFFERED;
  }

  ping(): void {}

  end(code: number, reason: string): void {
    const { codec, wrap } = this.framing;
    if (this.finish()) this.body.end(wrap(codec.encodePush({ disconnect: { code, reason } })));
  }

  destroy(): void {
    if (this.finish()) this.body.destroy();
  }

  // ---- StreamOwner ----

  writable(): void {
    this.guard(() => this.session?.drained());
  }

  closed(): void {
    if (this.over) return;
    this.over = true;
    this.tellClosed();
  }

  /** The session hears of the end when its own code has returned. @returns false if it is over already. */
  private finish(): boolean {
    if (this.over) return false;
    this.over = true;
    queueMicrotask(() => this.tellClosed());
    return true;
  }

  private tellClosed(): void {
    const session = this.session;
    this.session = undefined;
    this.guard(() => session?.closed());
  }

  private guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.onError(error);
    }
  }
}
