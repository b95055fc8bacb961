/** Time and open-loop schedules. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Microseconds of the host's monotonic clock: the same in every thread and process. */
export function micros() {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1e6 + Math.floor(nanos / 1000);
}

export const sleepUntil = (us) => sleep(Math.max(0, (us - micros()) / 1000));

/** Operations acted on in a row before sockets get their turn, when behind schedule. */
const TURN_MAX = 32;

/**
 * Open loop: operation i is due at `startUs + i / rate`, whether or not earlier ones are done, so that a server that falls
 * behind shows up as latency and not as a lower rate. Timers have a grain of 1 ms; that too counts as latency.
 *
 * @param {{startUs: number, rate: number, count: number, first?: number, step?: number}} schedule
 *   acts for operations first, first + step, … below count
 * @param {(i: number, dueUs: number) => void} act starts an operation; throws to end the schedule
 */
export async function openLoop({ startUs, rate, count, first = 0, step = 1 }, act) {
  let inTurn = 0;
  for (let i = first; i < count; ) {
    const due = startUs + Math.round((i * 1e6) / rate);
    const wait = due - micros();
    if (wait > 0) {
      await sleep(wait / 1000);
      inTurn = 0;
      continue;
    }
    act(i, due);
    i += step;
    if (++inTurn === TURN_MAX) {
      await new Promise(setImmediate);
      inTurn = 0;
    }
  }
}
