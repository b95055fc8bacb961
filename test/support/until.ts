/** Waiting for what cannot be awaited. */
import { setTimeout as sleep } from 'node:timers/promises';
import { vi } from 'vitest';

/** Less than a test may take, so that it says what did not happen. */
const TIMEOUT_MS = 45_000;
const POLL_MS = 10;

/**
 * Look until it holds.
 *
 * @throws Error naming `what` if it does not in time.
 */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`);
    await sleep(POLL_MS);
  }
}

/** Look until an assertion holds, as {@link until}; what it said last is the error. Fake timers go on meanwhile. */
export const eventually = <T>(assertion: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(assertion, { timeout: TIMEOUT_MS, interval: POLL_MS });
