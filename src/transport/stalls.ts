import type { Socket } from '../clients/socket.js';

const CHECK_INTERVAL_MS = 250;

/**
 * Closes connections whose peer takes nothing for `websocket.write_timeout`. One timer for all, which runs only while
 * there is one to watch.
 */
export class StallWatch {
  private readonly since = new Map<Socket, number>();
  private timer: NodeJS.Timeout | undefined;

  /** @param now  milliseconds, monotonic */
  constructor(
    private readonly timeoutMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Something waits to be taken. Does not extend a running time. */
  start(socket: Socket): void {
    if (this.since.has(socket)) return;
    this.since.set(socket, this.now());
    this.timer ??= setInterval(() => this.check(), Math.min(CHECK_INTERVAL_MS, this.timeoutMs));
  }

  /** The peer took some of it: its time starts anew. */
  progress(socket: Socket): void {
    if (this.since.has(socket)) this.since.set(socket, this.now());
  }

  stop(socket: Socket): void {
    if (!this.since.delete(socket) || this.since.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private check(): void {
    const latest = this.now() - this.timeoutMs;
    for (const [socket, since] of this.since) {
      if (since <= latest) socket.destroy();
    }
  }
}
