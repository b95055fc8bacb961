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
 * The times of a run: so many operations to warm up from `startUs`, and those that are measured from `fromUs`.
 * @typedef {{startUs: number, fromUs: number, untilUs: number, rate: number, warmUpRate: number, warmUpCount: number,
 *   count: number}} Plan  count: operations in all
 */
export function planFor({ warmup, warmupRate, seconds, rate }, startUs) {
  const warmUpCount = Math.floor(warmupRate * warmup + 1e-9);
  const fromUs = startUs + warmup * 1e6;
  const count = warmUpCount + Math.max(1, Math.ceil(rate * seconds - 1e-9));
  return { startUs, fromUs, untilUs: fromUs + seconds * 1e6, rate, warmUpRate: warmupRate, warmUpCount, count };
}

/** A plan for operations of which so many go together. */
export const inGroups = (plan, size) => ({
  ...plan,
  rate: plan.rate / size,
  warmUpRate: plan.warmUpRate / size,
  warmUpCount: Math.floor(plan.warmUpCount / size),
  count: Math.floor(plan.warmUpCount / size) + Math.ceil((plan.count - plan.warmUpCount) / size),
});

/** When operation i is due. @param {Plan} plan */
export const dueAt = ({ startUs, fromUs, rate, warmUpRate, warmUpCount }, i) =>
  Math.round(i < warmUpCount ? startUs + (i * 1e6) / warmUpRate : fromUs + ((i - warmUpCount) * 1e6) / rate);

/**
 * Open loop: operation i is due at its time of the plan, whether or not earlier ones are done, so that a server that falls
 * behind shows up as latency and not as a lower rate. Timers have a grain of 1 ms; that too counts as latency.
 *
 * @param {Plan & {first?: number, step?: number}} plan  acts for operations first, first + step, … below count
 * @param {(i: number, dueUs: number) => void} act starts an operation; throws to end the schedule
 */
export async function openLoop({ first = 0, step = 1, ...plan }, act) {
  let inTurn = 0;
  for (let i = first; i < plan.count; ) {
    const due = dueAt(plan, i);
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
