/**
 * Questions between threads for everything that is not on the data path: `info`, `channels`, acting on a user's
 * connections. Bodies are JSON values. The data path has records of its own.
 */
export interface Asks {
  /** This thread's slot: 0 … workers-1, main is `workers`. */
  readonly self: number;
  readonly workers: number;
  /**
   * Rejects with a ClientError: 111 when the link is full, 100 after the deadline or when the thread died.
   * @param deadlineMs  CALL_DEADLINE_MS by default.
   */
  ask(slot: number, question: string, body: unknown, deadlineMs?: number): Promise<unknown>;
  /** Every worker, this one included; rejects if any answer fails. Answers in slot order. */
  askWorkers(question: string, body: unknown): Promise<unknown[]>;
  /** At most one handler a question; a throw becomes the asker's rejection (ClientErrors as they are, the rest 100). */
  answer(question: string, handler: (body: unknown, from: number) => unknown | Promise<unknown>): void;
}
