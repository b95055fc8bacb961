import { type BUFFERED, DROPPED, SENT, type Socket } from '../../src/clients/socket.js';
import type { ClientError, Disconnect } from '../../src/protocol/codes.js';

/** A socket that keeps what it was told. */
export class FakeSocket implements Socket {
  readonly frames: Buffer[] = [];
  binary: boolean | undefined;
  pings = 0;
  closed: { code: number; reason: string } | undefined;
  /** The refused connect that it was closed for. */
  refusal: ClientError | Disconnect | undefined;
  destroyed = false;
  /** What the next sends answer. */
  answer: typeof SENT | typeof BUFFERED | typeof DROPPED = SENT;

  get alive(): boolean {
    return this.closed === undefined && !this.destroyed;
  }

  send(frame: Uint8Array, binary: boolean): 0 | 1 | 2 {
    if (this.closed !== undefined || this.destroyed) throw new Error('written after the end');
    this.binary = binary;
    if (this.answer !== DROPPED) this.frames.push(Buffer.from(frame));
    return this.answer;
  }

  ping(): void {
    this.pings++;
  }

  end(code: number, reason: string, refusal?: ClientError | Disconnect): void {
    if (this.closed !== undefined) throw new Error('closed twice');
    this.refusal = refusal;
    this.closed = { code, reason };
  }

  destroy(): void {
    this.destroyed = true;
  }
}
