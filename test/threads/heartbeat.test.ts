import { afterEach, describe, expect, it, vi } from 'vitest';
import { Chores } from '../../src/lib/chores.js';
import { beat, createHeartbeats, HangWatch, HEARTBEAT_MS, NOT_STARTED } from '../../src/threads/heartbeat.js';

afterEach(() => vi.useRealTimers());

function create(workers = 2, timeoutMs = 1000) {
  const heartbeats = createHeartbeats(workers);
  const counters = new Int32Array(heartbeats);
  const reports: [slot: number, hanging: boolean, silentMs: number][] = [];
  const watch = new HangWatch(heartbeats, timeoutMs, (...report) => reports.push(report));
  const startAll = () => counters.forEach((_, slot) => void watch.restart(slot, 0));
  return { heartbeats, counters, reports, watch, startAll };
}

describe('beat', () => {
  it('raises the counter of its slot', () => {
    vi.useFakeTimers();
    const { heartbeats, counters } = create();
    const chores = new Chores();
    beat(chores, heartbeats, 1);
    vi.advanceTimersByTime(3 * HEARTBEAT_MS);
    expect([...counters]).toEqual([0, 3]);
    chores.stop();
    vi.advanceTimersByTime(3 * HEARTBEAT_MS);
    expect([...counters]).toEqual([0, 3]);
  });
});

describe('HangWatch', () => {
  it('reports a worker once when it is silent for too long, and once when it is back', () => {
    const { counters, reports, watch, startAll } = create();
    startAll();
    for (let now = 0; now <= 3000; now += 500) {
      counters[0]!++;
      watch.check(now);
    }
    expect(reports).toEqual([[1, true, 1000]]);
    counters[1]!++;
    watch.check(3500);
    watch.check(3500);
    expect(reports).toEqual([
      [1, true, 1000],
      [1, false, 3500],
    ]);
  });

  it('reports it again when it hangs again', () => {
    const { counters, reports, watch, startAll } = create(1);
    startAll();
    watch.check(0);
    watch.check(1000);
    counters[0]!++;
    watch.check(1500);
    watch.check(2500);
    expect(reports.map(([, hanging]) => hanging)).toEqual([true, false, true]);
  });

  it('does not take the silence of a thread that has yet to start for a hang', () => {
    const { counters, reports, watch } = create(1);
    for (let now = 0; now < 60_000; now += 500) watch.check(now);
    counters[0] = 7;
    watch.restart(0, NOT_STARTED);
    for (let now = 0; now < 60_000; now += 500) watch.check(now);
    expect(reports).toEqual([]);
    watch.restart(0, 60_000);
    watch.check(60_500);
    expect(reports).toEqual([]);
    watch.check(61_000);
    expect(reports).toEqual([[0, true, 1000]]);
    counters[0]!++;
    watch.check(61_500);
    expect(reports.at(-1)).toEqual([0, false, 1500]);
  });
});
