import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Marks } from '../../src/mesh/marks.js';
import { BELL_BYTES, createBells } from '../../src/mesh/wires.js';

const WORKERS_MAX = 1024;

function takeAll(marks: Marks): number[] {
  const slots: number[] = [];
  marks.take((slot) => slots.push(slot));
  return slots;
}

describe('marks', () => {
  it('are taken once, by the thread they are for', () => {
    const bells = createBells(2);
    const [a, b, main] = [0, 1, 2].map((slot) => new Marks(bells, slot)) as [Marks, Marks, Marks];
    expect(b.any).toBe(false);
    a.set(1);
    a.set(1);
    main.set(1);
    main.set(0);
    expect([a.any, b.any, main.any]).toEqual([true, true, false]);
    expect(takeAll(b)).toEqual([0, 2]);
    expect(b.any).toBe(false);
    expect(takeAll(b)).toEqual([]);
    expect(takeAll(a)).toEqual([2]);
  });

  it('can be set again while they are taken', () => {
    const bells = createBells(1);
    const [reader, writer] = [new Marks(bells, 0), new Marks(bells, 1)];
    writer.set(0);
    reader.take(() => {
      writer.set(0);
      return 0;
    });
    expect(takeAll(reader)).toEqual([1]);
  });

  it('add up what was found', () => {
    const bells = createBells(40);
    for (const slot of [3, 31, 32, 40]) new Marks(bells, slot).set(7);
    expect(new Marks(bells, 7).take((slot) => slot)).toBe(3 + 31 + 32 + 40);
  });

  it('leave the word of the doorbell alone, and those of other threads', () => {
    const bells = createBells(WORKERS_MAX);
    const words = new Int32Array(bells);
    for (let slot = 0; slot <= WORKERS_MAX; slot++) new Marks(bells, slot).set(500);
    const used = [...words.keys()].filter((at) => words[at] !== 0);
    const start = (500 * BELL_BYTES) / 4;
    expect(used).toEqual(Array.from({ length: 33 }, (_, i) => start + 1 + i));
    expect(takeAll(new Marks(bells, 500))).toEqual(Array.from({ length: WORKERS_MAX + 1 }, (_, i) => i));
  });

  it('are a set, whoever sets and takes them', () => {
    const slot = fc.integer({ min: 0, max: 70 });
    const set = fc.record({ from: slot, to: fc.integer({ min: 0, max: 2 }) });
    const op = fc.oneof({ weight: 4, arbitrary: set }, fc.record({ take: fc.integer({ min: 0, max: 2 }) }));
    fc.assert(
      fc.property(fc.array(op, { maxLength: 100 }), (ops) => {
        const bells = createBells(70);
        const marks = Array.from({ length: 71 }, (_, self) => new Marks(bells, self));
        const expected = [new Set<number>(), new Set<number>(), new Set<number>()];
        for (const step of ops) {
          if ('from' in step) {
            marks[step.from]!.set(step.to);
            expected[step.to]!.add(step.from);
          } else {
            expect(marks[step.take]!.any).toBe(expected[step.take]!.size > 0);
            expect(takeAll(marks[step.take]!)).toEqual([...expected[step.take]!].sort((a, b) => a - b));
            expected[step.take]!.clear();
          }
        }
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});
