import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { ManualClock } from '../../src/lib/clock.js';
import { NEVER, TimerEntry, TimerWheel } from '../../src/lib/timer-wheel.js';

class Recorded extends TimerEntry {
  constructor(
    readonly name: string,
    readonly log: string[],
    readonly then: (entry: Recorded) => void = () => {},
  ) {
    super();
  }
  override expire(): void {
    this.log.push(this.name);
    this.then(this);
  }
}

const START = 1_700_000_000_050;

describe('TimerWheel', () => {
  test('expires at the deadline rounded up, never before, and once', () => {
    const log: string[] = [];
    const wheel = new TimerWheel({ now: START });
    wheel.schedule(new Recorded('a', log), START + 101);
    wheel.advance(START + 199);
    expect(log).toEqual([]);
    wheel.advance(START + 200);
    expect(log).toEqual(['a']);
    wheel.advance(START + 1_000_000);
    expect(log).toEqual(['a']);
    expect(wheel.size).toBe(0);
  });

  test('a deadline in the past comes with the next tick', () => {
    const log: string[] = [];
    const wheel = new TimerWheel({ now: START });
    wheel.schedule(new Recorded('a', log), START - 5000);
    wheel.advance(START + 99);
    expect(log).toEqual([]);
    wheel.advance(START + 100);
    expect(log).toEqual(['a']);
  });

  test('ticks are small integers, whatever the time', () => {
    const wheel = new TimerWheel({ now: START });
    const times = [0, START, START + 1, START + 100, START + 101, START + 1e12, Number.POSITIVE_INFINITY];
    expect(times.map((time) => wheel.tickAt(time))).toEqual([0, 0, 1, 1, 2, NEVER, NEVER]);
  });

  test('scheduling again moves the deadline, either way', () => {
    const log: string[] = [];
    const wheel = new TimerWheel({ now: START });
    const entry = new Recorded('a', log);
    wheel.schedule(entry, START + 100);
    wheel.schedule(entry, START + 500);
    expect(wheel.size).toBe(1);
    wheel.advance(START + 400);
    expect(log).toEqual([]);
    wheel.schedule(entry, START + 450);
    wheel.schedule(entry, START + 600);
    wheel.schedule(entry, START + 500);
    wheel.advance(START + 500);
    expect(log).toEqual(['a']);
  });

  test('cancelled entries do not expire; cancelling twice is nothing', () => {
    const log: string[] = [];
    const wheel = new TimerWheel({ now: START });
    const entry = new Recorded('a', log);
    wheel.cancel(entry);
    wheel.schedule(entry, START + 100);
    wheel.cancel(entry);
    wheel.cancel(entry);
    expect(wheel.size).toBe(0);
    wheel.advance(START + 1000);
    expect(log).toEqual([]);
  });

  test('deadlines beyond one turn wait for theirs; infinity never comes', () => {
    const log: string[] = [];
    const wheel = new TimerWheel({ now: 0, granularityMs: 10, slots: 4 });
    wheel.schedule(new Recorded('far', log), 1000);
    wheel.schedule(new Recorded('never', log), Number.POSITIVE_INFINITY);
    for (let now = 10; now < 1000; now += 10) wheel.advance(now);
    expect(log).toEqual([]);
    wheel.advance(1000);
    expect(log).toEqual(['far']);
    wheel.advance(1_000_000);
    expect(log).toEqual(['far']);
    expect(wheel.size).toBe(1);
  });

  test('an entry may cancel others that are due, and schedule itself again', () => {
    const log: string[] = [];
    const wheel = new TimerWheel({ now: 0, granularityMs: 1 });
    const victim = new Recorded('victim', log);
    wheel.schedule(
      new Recorded('killer', log, (entry) => {
        wheel.cancel(victim);
        if (log.length < 3) wheel.schedule(entry, 5);
      }),
      5,
    );
    wheel.schedule(victim, 5);
    wheel.advance(5);
    expect(log).toEqual(['killer']);
    wheel.advance(7);
    expect(log).toEqual(['killer', 'killer', 'killer']);
  });

  test('what was due with an entry that throws is not lost', () => {
    const log: string[] = [];
    const wheel = new TimerWheel({ now: 0, granularityMs: 1 });
    wheel.schedule(
      new Recorded('bad', log, () => {
        throw new Error('from expire');
      }),
      1,
    );
    wheel.schedule(new Recorded('good', log), 1);
    expect(() => wheel.advance(1)).toThrow('from expire');
    wheel.advance(1);
    expect(log).toEqual(['bad', 'good']);
  });

  test('a clock that steps back holds everything until it has caught up', () => {
    const log: string[] = [];
    const wheel = new TimerWheel({ now: 1000, granularityMs: 1 });
    wheel.advance(2000);
    wheel.schedule(new Recorded('a', log), 2010);
    wheel.advance(500);
    expect(log).toEqual([]);
    wheel.advance(2010);
    expect(log).toEqual(['a']);
  });

  test('run advances with the clock until stopped', () => {
    vi.useFakeTimers();
    try {
      const log: string[] = [];
      const clock = new ManualClock(0);
      const wheel = new TimerWheel({ now: 0, granularityMs: 50 });
      const stop = wheel.run(clock);
      wheel.schedule(new Recorded('a', log), 100);
      clock.advance(100);
      vi.advanceTimersByTime(100);
      expect(log).toEqual(['a']);
      expect(vi.getTimerCount()).toBe(0);
      stop();
      wheel.schedule(new Recorded('b', log), 200);
      clock.advance(1000);
      vi.advanceTimersByTime(1000);
      expect(log).toEqual(['a']);
    } finally {
      vi.useRealTimers();
    }
  });

  test('in real time wakes up only for what is due, however far away', () => {
    vi.useFakeTimers({ now: 5000 });
    try {
      const log: string[] = [];
      const wheel = new TimerWheel({ now: Date.now(), granularityMs: 100, slots: 16 });
      const advance = vi.spyOn(wheel, 'advance');
      const stop = wheel.run({ now: () => Date.now() });
      const monthMs = 30 * 86_400_000;
      const far = new Recorded('far', log);
      wheel.schedule(far, 5000 + monthMs);
      wheel.schedule(new Recorded('second', log), 6000);
      wheel.schedule(new Recorded('first', log, (self) => wheel.schedule(self, Date.now() + 2000)), 5300);
      vi.advanceTimersByTime(299);
      expect(advance).not.toHaveBeenCalled();
      vi.advanceTimersByTime(1);
      expect(log).toEqual(['first']);
      vi.advanceTimersByTime(700);
      expect(log).toEqual(['first', 'second']);
      vi.advanceTimersByTime(1299);
      expect(log).toEqual(['first', 'second']);
      vi.advanceTimersByTime(1);
      expect(log).toEqual(['first', 'second', 'first']);
      // Once a turn of the wheel at most for what is further away.
      expect(advance.mock.calls.length).toBeLessThan(8);
      vi.setSystemTime(5000 + monthMs);
      vi.advanceTimersByTime(2000);
      expect(log).toContain('far');
      stop();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  test('goes on in real time after an entry that throws', () => {
    vi.useFakeTimers({ now: 0 });
    try {
      const log: string[] = [];
      const wheel = new TimerWheel({ now: 0 });
      const stop = wheel.run({ now: () => Date.now() });
      const fails = () => {
        throw new Error('expired badly');
      };
      wheel.schedule(new Recorded('a', log, fails), 100);
      wheel.schedule(new Recorded('b', log), 100);
      expect(() => vi.advanceTimersByTime(100)).toThrow('expired badly');
      vi.advanceTimersByTime(100);
      expect(log).toEqual(['a', 'b']);
      stop();
    } finally {
      vi.useRealTimers();
    }
  });

  test.each([{ granularityMs: 0 }, { slots: 1 }, { slots: 100 }])('refuses %j', (options) => {
    expect(() => new TimerWheel({ now: 0, ...options })).toThrow(RangeError);
  });
});

test('agrees with a list of deadlines', () => {
  const GRANULARITY = 10;
  const action = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('schedule' as const),
        id: fc.nat(9),
        delay: fc.integer({ min: -50, max: 900 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), id: fc.nat(9) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('advance' as const), by: fc.nat(400) }) },
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), fc.nat(3), (actions, repeats) => {
      let now = 0;
      let tick = 0;
      const wheel = new TimerWheel({ now, granularityMs: GRANULARITY, slots: 8 });
      // The model: deadline in ticks by id. Every third entry schedules itself again, `repeats` times.
      const model = new Map<number, number>();
      const left = Array.from({ length: 10 }, (_, id) => (id % 3 === 0 ? repeats : 0));
      const fired: string[] = [];
      const entries = left.map(
        (_, id) =>
          new Recorded(String(id), fired, (entry) => {
            if (left[id]! > 0) {
              left[id]!--;
              wheel.schedule(entry, now + 30);
            }
          }),
      );
      const modelLeft = [...left];
      for (const step of actions) {
        if (step.kind === 'schedule') {
          wheel.schedule(entries[step.id]!, now + step.delay);
          model.set(step.id, Math.max(Math.ceil((now + step.delay) / GRANULARITY), tick + 1));
        } else if (step.kind === 'cancel') {
          wheel.cancel(entries[step.id]!);
          model.delete(step.id);
        } else {
          now += step.by;
          fired.length = 0;
          wheel.advance(now);
          const expected: string[] = [];
          tick = Math.floor(now / GRANULARITY);
          const due = [...model].filter(([, at]) => at <= tick);
          for (const [id] of due) {
            expected.push(String(id));
            model.delete(id);
            // A deadline 30 ms after `now` is never due in the same advance.
            if (modelLeft[id]! > 0) {
              modelLeft[id]!--;
              model.set(id, Math.ceil((now + 30) / GRANULARITY));
            }
          }
          expect([...fired].sort()).toEqual(expected.sort());
        }
        expect(wheel.size).toBe(model.size);
      }
    }),
    { seed: 4, numRuns: 1000 },
  );
});
