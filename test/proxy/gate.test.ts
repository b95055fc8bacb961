import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Gate, RUNNING_MAX_REQUESTS } from '../../src/proxy/gate.js';

const TIMEOUT_MS = 300;
const never = () => new Promise<never>(() => {});

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A gate that is full, with a way to end what is under way. */
function fullGate() {
  const gate = new Gate(TIMEOUT_MS);
  const ends: (() => void)[] = [];
  const work = () => new Promise<void>((resolve) => ends.push(resolve));
  const running = Array.from({ length: RUNNING_MAX_REQUESTS }, () => gate.run(0, work));
  const end = () => {
    for (const one of ends.splice(0)) one();
    return Promise.all(running);
  };
  return { gate, end };
}

test('the time in the queue counts, and what gave up there is never started', async () => {
  const { gate, end } = fullGate();
  await vi.advanceTimersByTimeAsync(TIMEOUT_MS - 1);
  const work = vi.fn(never);
  const late = expect(gate.run(0, work)).rejects.toThrow(`no reply within ${TIMEOUT_MS} ms`);
  await vi.advanceTimersByTimeAsync(TIMEOUT_MS);
  await late;
  await end();
  expect(work).not.toHaveBeenCalled();
});

test('what had its turn late has what is left of its time', async () => {
  const { gate, end } = fullGate();
  const over = vi.fn();
  const late = gate.run(0, (deadline) => new Promise((_, reject) => deadline.addEventListener('abort', reject)));
  late.catch(over);
  await vi.advanceTimersByTimeAsync(TIMEOUT_MS - 1);
  await end();
  expect(over).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(over).toHaveBeenCalledOnce();
});

test('a place that becomes free goes to one that still waits', async () => {
  const { gate, end } = fullGate();
  const gone = expect(gate.run(0, never)).rejects.toThrow('no reply');
  await vi.advanceTimersByTimeAsync(TIMEOUT_MS);
  await gone;
  const next = gate.run(0, async () => 'mine');
  await end();
  expect(await next).toBe('mine');
});
