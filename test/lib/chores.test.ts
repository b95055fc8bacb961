import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CHORE_STEP_MS, Chores } from '../../src/lib/chores.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('chores are done at their intervals, with one timer, until stopped', () => {
  const chores = new Chores();
  const done: string[] = [];
  chores.every(CHORE_STEP_MS, () => done.push('often'));
  chores.every(2 * CHORE_STEP_MS, () => done.push('seldom'));
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(3 * CHORE_STEP_MS);
  expect(done).toEqual(['often', 'often', 'seldom', 'often']);
  chores.stop();
  vi.advanceTimersByTime(10 * CHORE_STEP_MS);
  expect(done).toHaveLength(4);
});

test.each([0, 1, CHORE_STEP_MS + 1, -CHORE_STEP_MS])('%d ms cannot be kept', (ms) => {
  expect(() => new Chores().every(ms, () => {})).toThrow(RangeError);
});
