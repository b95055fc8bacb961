import { BUFFERED, DROPPED, type OpenSession, type Peer, SENT, type Session, type Socket } from '../clients/socket.js';
import type { ClientError, Disconnect } from '../protocol/codes.js';
import type { Bytes } from '../protocol/messages.js';
import type { Framing } from './framing.js';
import type { HttpResponse, StreamBody, StreamOwner } from './http.js';

/** The answer to a connect that failed. */
export type AnswerRefusal = (why: ClientError | Disconnect) => HttpResponse;

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
    /** Where an HTTP answer is to say that the connect failed, rather than a push. */
    private readonly answerRefusal?: AnswerRefusal,
  ) {}

  /** Open the session. @param hear  has it hear what came with the request. */
  open(open: OpenSession, peer: Peer, hear: (session: Session) => void): void {
    this.guard(() => {
      this.session = open(this, peer);
      if (!this.over) hear(this.session);
    });
    if (this.session === undefined) this.destroy();
  }

  // ---- Socket ----

  get alive(): boolean {
    return !this.over;
  }

  send(frame: Bytes): 0 | 1 | 2 {
    if (this.over) return DROPPED;
    return this.body.write(this.framing.wrap(frame)) ? SENT : BUFFERED;
  }

  ping(): void {}

  end(code: number, reason: string, refusal: ClientError | Disconnect = { code, reason }): void {
    if (!this.finish()) return;
    if (this.answerRefusal !== undefined && this.body.refuse(this.answerRefusal(refusal))) return;
    const { codec, wrap, bare } = this.framing;
    this.body.end(wrap(codec.encodePush({ disconnect: { code, reason } }, bare)));
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
