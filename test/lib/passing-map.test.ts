import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PassingMap } from '../../src/lib/passing-map.js';

const key = fc.integer({ min: 0, max: 20 });
const operations = fc.array(fc.tuple(fc.constantFrom('set', 'set', 'delete'), key), { maxLength: 1000 });

test('is a map, however much has passed through it', () => {
  fc.assert(
    fc.property(operations, (steps) => {
      const map = new PassingMap<number, number>();
      const model = new Map<number, number>();
      steps.forEach(([step, key], value) => {
        if (step === 'delete') expect(map.delete(key)).toBe(model.delete(key));
        else {
          map.set(key, value);
          model.set(key, value);
        }
        expect(map.get(key)).toBe(model.get(key));
        expect(map.has(key)).toBe(model.has(key));
        expect(map.size).toBe(model.size);
      });
      expect([...map.entries()]).toEqual([...model]);
      expect([...map.keys()]).toEqual([...model.keys()]);
      expect([...map.values()]).toEqual([...model.values()]);
    }),
  );
});

test('whoever goes through it while the inner map is replaced sees what is still there', () => {
  const map = new PassingMap<number, string>();
  for (let i = 0; i < 300; i++) map.set(i, 'before');
  const entries = map.entries();
  expect(entries.next().value).toEqual([0, 'before']);
  for (let i = 0; i < 300; i++) if (i % 100 !== 0) map.delete(i);
  map.set(200, 'after');
  expect([...entries]).toEqual([
    [100, 'before'],
    [200, 'after'],
  ]);
  expect([...map.entries()]).toEqual([
    [0, 'before'],
    [100, 'before'],
    [200, 'after'],
  ]);
});
