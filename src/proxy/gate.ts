import { Fifo } from '../lib/fifo.js';

/** Requests under way at the same time, of one worker to one endpoint. */
export const RUNNING_MAX_REQUESTS = 256;
/** Requests that wait for others to be over. More fail at once. */
export const WAITING_MAX_REQUESTS = 16_384;
export const WAITING_MAX_BYTES = 64 << 20;

/** There is no reply. The message names neither endpoint nor payload. */
export class BackendError extends Error {
  override readonly name = 'BackendError';
}

interface Waiting {
  readonly bytes: number;
  /** Undefined once its deadline has passed. */
  start: (() => void) | undefined;
}

/**
 * The way to one endpoint: so many requests at a time, the others in turn, each within one deadline for everything.
 *
 *   run ──▶ waiting, WAITING_MAX_… ──▶ under way, RUNNING_MAX_REQUESTS ──▶ over
 *     └─────────────────────────── timeoutMs ──────────────────────────────┘
 *
 * What the application is slow with, or does not answer at all, holds up nothing but requests to the same endpoint, and
 * those no longer than their deadline.
 */
export class Gate {
  readonly #waiting = new Fifo<Waiting>();
  readonly #deadlines = new Set<AbortController>();
  #waitingBytes = 0;
  #running = 0;

  constructor(private readonly timeoutMs: number) {}

  /**
   * @param bytes  what `work` keeps while it waits.
   * @param work  has to end when the signal says so.
   */
  async run<T>(bytes: number, work: (deadline: AbortSignal) => Promise<T>): Promise<T> {
    const deadline = new AbortController();
    const expire = (): void => deadline.abort(new BackendError(`no reply within ${this.timeoutMs} ms`));
    const timer = setTimeout(expire, this.timeoutMs);
    this.#deadlines.add(deadline);
    try {
      await this.#turn(bytes, deadline.signal);
      try {
        return await work(deadline.signal);
      } finally {
        this.#next();
      }
    } finally {
      this.#deadlines.delete(deadline);
      clearTimeout(timer);
    }
  }

  /** Ends what waits or is under way. */
  close(): void {
    for (const deadline of this.#deadlines) deadline.abort(new BackendError('closed'));
  }

  #turn(bytes: number, deadline: AbortSignal): Promise<void> | undefined {
    if (this.#running < RUNNING_MAX_REQUESTS) {
      this.#running++;
      return undefined;
    }
    if (this.#waiting.length >= WAITING_MAX_REQUESTS || this.#waitingBytes + bytes > WAITING_MAX_BYTES) {
      throw new BackendError('too many requests wait for replies to earlier ones');
    }
    this.#waitingBytes += bytes;
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { bytes, start: resolve };
      this.#waiting.push(waiting);
      deadline.onabort = () => {
        if (waiting.start === undefined) return;
        waiting.start = undefined;
        this.#waitingBytes -= bytes;
        reject(deadline.reason);
      };
    });
  }

  /** Hand the place on to the next that still waits. */
  #next(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { start, bytes } = next;
      if (start === undefined) continue;
      next.start = undefined;
      this.#waitingBytes -= bytes;
      start();
      return;
    }
    this.#running--;
  }
}
