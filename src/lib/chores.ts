/** How far apart the times are at which anything is done. */
export const CHORE_STEP_MS = 500;

/**
 * What a thread looks after from time to time, all of it on one timer. Waking a thread costs far more than most of what
 * it then does, and a server with many threads is idle in most of them.
 */
export class Chores {
  readonly #chores: { readonly steps: number; readonly run: () => void }[] = [];
  readonly #timer = setInterval(() => this.#step(), CHORE_STEP_MS).unref();
  #steps = 0;

  /** @param ms  a multiple of {@link CHORE_STEP_MS}. */
  every(ms: number, run: () => void): void {
    const steps = ms / CHORE_STEP_MS;
    if (!Number.isInteger(steps) || steps < 1) throw new RangeError(`${ms} ms is no multiple of ${CHORE_STEP_MS}`);
    this.#chores.push({ steps, run });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #step(): void {
    this.#steps++;
    for (const { steps, run } of this.#chores) if (this.#steps % steps === 0) run();
  }
}
