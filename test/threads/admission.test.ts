import { describe, expect, it } from 'vitest';
import { Admission, createAdmission } from '../../src/threads/admission.js';

const START_MS = 1_700_000_000_400;

/** As many workers on the same memory. */
function create(workers: number, connection_limit: number, connection_rate_limit: number): Admission[] {
  const limits = { connection_limit, connection_rate_limit };
  const memory = createAdmission(limits, START_MS);
  return Array.from({ length: workers }, () => new Admission(memory, limits));
}

/** Ask in turn until one says no. @returns how often the answer was yes. */
function admitted(workers: Admission[], nowMs: number, max = 1000): number {
  for (let i = 0; i < max; i++) if (!workers[i % workers.length]!.admit(nowMs)) return i;
  return max;
}

describe('the rate limit', () => {
  it('lets a burst in, then one connection a second, for all workers together', () => {
    const workers = create(3, 0, 5);
    expect(admitted(workers, START_MS)).toBe(5);
    expect(admitted(workers, START_MS + 599)).toBe(0);
    expect(admitted(workers, START_MS + 600)).toBe(1);
    expect(admitted(workers, START_MS + 1599)).toBe(0);
    expect(admitted(workers, START_MS + 1600)).toBe(1);
    expect(admitted(workers, START_MS + 4600)).toBe(3);
  });

  it('saves up no more than a burst', () => {
    const workers = create(2, 0, 5);
    admitted(workers, START_MS);
    expect(admitted(workers, START_MS + 3_600_000)).toBe(5);
  });

  it('does not gain from a clock that steps back and forth', () => {
    const workers = create(2, 0, 2);
    expect(admitted(workers, START_MS)).toBe(2);
    for (let i = 0; i < 10; i++) {
      expect(admitted(workers, START_MS - 10_000)).toBe(0);
      expect(admitted(workers, START_MS)).toBe(0);
    }
    expect(admitted(workers, START_MS + 600)).toBe(1);
  });

  it('is none at 0', () => {
    expect(admitted(create(1, 0, 0), START_MS)).toBe(1000);
  });
});

describe('the connection limit', () => {
  it('counts the open connections of all workers', () => {
    const [a, b] = create(2, 3, 0) as [Admission, Admission];
    a.opened();
    b.opened();
    expect([a.admit(START_MS), b.admit(START_MS)]).toEqual([true, true]);
    a.opened();
    expect([a.open, b.open]).toEqual([3, 3]);
    expect([a.admit(START_MS), b.admit(START_MS)]).toEqual([false, false]);
    b.closed();
    expect([a.admit(START_MS), b.admit(START_MS)]).toEqual([true, true]);
  });

  it('gets back all at once what a worker held that ended', () => {
    const [a, b] = create(2, 10, 0) as [Admission, Admission];
    for (let i = 0; i < 10; i++) a.opened();
    expect(b.admit(START_MS)).toBe(false);
    a.closed(10);
    expect(b.open).toBe(0);
    expect(b.admit(START_MS)).toBe(true);
  });

  it('takes no token for a connection that it refuses', () => {
    const [a] = create(1, 1, 1) as [Admission];
    a.opened();
    expect(a.admit(START_MS)).toBe(false);
    a.closed();
    expect(a.admit(START_MS)).toBe(true);
  });

  it('is none at 0', () => {
    const [a] = create(1, 0, 0) as [Admission];
    for (let i = 0; i < 100; i++) a.opened();
    expect(a.admit(START_MS)).toBe(true);
  });
});
