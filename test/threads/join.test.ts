import { afterEach, expect, it, vi } from 'vitest';
import { CALL_DEADLINE_MS } from '../../src/mesh/calls.js';
import { createWires } from '../../src/mesh/wires.js';
import { joinMesh } from '../../src/threads/join.js';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it('ends calls after their deadline by a clock that nobody sets', () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
  let nowNs = 5_000_000_000n;
  vi.spyOn(process.hrtime, 'bigint').mockImplementation(() => nowNs);
  const [wires] = createWires(1, 4096);
  const joined = joinMesh(wires!, { error() {} });
  const ends: unknown[] = [];
  joined.calls.open(1, { succeed: () => ends.push('answered'), fail: (error) => ends.push(error) });

  vi.setSystemTime(Date.now() + 3_600_000);
  vi.advanceTimersByTime(1000);
  expect(ends).toEqual([]);
  nowNs += BigInt(CALL_DEADLINE_MS) * 1_000_000n;
  vi.setSystemTime(0);
  vi.advanceTimersByTime(1000);
  expect(ends).toHaveLength(1);
  joined.leave();
});
