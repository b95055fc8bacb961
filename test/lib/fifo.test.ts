import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Fifo } from '../../src/lib/fifo.js';

it('gives back in order whatever is put in, in any interleaving', () => {
  const step = fc.oneof(
    fc.nat(3000),
    fc.nat(3000).map((count) => -count),
    fc.constant('all' as const),
  );
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const fifo = new Fifo<number>();
      const model: number[] = [];
      let next = 0;
      for (const count of steps) {
        if (count === 'all') expect(fifo.takeAll()).toEqual(model.splice(0));
        else if (count >= 0) {
          for (let i = 0; i < count; i++) {
            fifo.push(next);
            model.push(next++);
          }
        } else {
          const given = Array.from({ length: -count }, () => fifo.shift());
          expect(given).toEqual(Array.from({ length: -count }, () => model.shift()));
        }
        expect(fifo.length).toBe(model.length);
        expect(fifo.peek()).toBe(model[0]);
      }
    }),
    { seed: 7, numRuns: 50 },
  );
});
