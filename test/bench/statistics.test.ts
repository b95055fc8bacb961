import { describe, expect, test } from 'vitest';
import { Meter } from '../../scripts/bench/generator/meter.mjs';
import { selfTimes } from '../../scripts/bench/lib/self-time.mjs';
import { compare, median, pairOrder, quantile, signTest } from '../../scripts/bench/lib/statistics.mjs';
import { sampleResult } from './sample-result.js';

test('quantiles lie between the two nearest values', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(quantile([10, 20, 30, 40, 50], 0.25)).toBe(20);
  expect(quantile([7], 0.9)).toBe(7);
});

test('A and B take turns in going first', () => {
  expect(pairOrder(4).flat().join('')).toBe('abbaabba');
});

test('the sign test', () => {
  expect(signTest(0, 6)).toBeCloseTo(2 / 64);
  expect(signTest(5, 1)).toBeCloseTo(14 / 64);
  expect(signTest(3, 3)).toBe(1);
  expect(signTest(0, 0)).toBe(1);
});

describe('comparison', () => {
  const pairs = (costs: [number, number][]) =>
    costs.map(([a, b]) => ({ a: sampleResult({ perDeliveryUs: a }), b: sampleResult({ perDeliveryUs: b }) }));
  const cost = (list: ReturnType<typeof pairs>) => compare(list).metrics.find(({ key }) => key === 'delivery');

  test('is of ratios within pairs, not of medians: a drift that hits both does not show', () => {
    const drifting = pairs([1, 2, 4, 8, 16, 32].map((slow) => [10 * slow, 20 * slow]));
    expect(cost(drifting)).toMatchObject({
      ratio: { median: 2, low: 2, high: 2, min: 2, max: 2 },
      verdict: 'B higher in 6 of 6',
    });
  });

  test('shows the spread', () => {
    const ratio = cost(pairs([0.5, 0.6, 0.7, 0.8, 0.9].map((b) => [1, b])))!.ratio;
    expect(ratio).toMatchObject({ median: 0.7, low: 0.6, high: 0.8, min: 0.5, max: 0.9 });
  });

  test('says nothing where pairs disagree, or are too few', () => {
    const verdict = (costs: [number, number][]) => cost(pairs(costs))!.verdict;
    expect(
      verdict([
        [1, 2],
        [1, 2],
        [1, 2],
        [1, 2],
        [1, 2],
        [2, 1],
      ]),
    ).toBe('no clear difference');
    expect(
      verdict([
        [1, 2],
        [1, 2],
      ]),
    ).toBe('no clear difference');
    expect(verdict(Array.from({ length: 6 }, () => [2, 1]))).toBe('B lower in 6 of 6');
  });

  test('leaves pairs with a void run out', () => {
    const list = pairs([
      [1, 2],
      [1, 3],
    ]);
    list[1]!.b.valid = false;
    expect(compare(list)).toMatchObject({ pairs: 1, void: 1 });
    expect(cost(list)!.ratio.median).toBe(2);
  });

  test('leaves out what was not measured', () => {
    const list = pairs([[1, 2]]);
    list[0]!.a.latency_us = null;
    const keys = compare(list).metrics.map(({ key }) => key);
    expect(keys).toContain('delivery');
    expect(keys).not.toContain('p99');
  });
});

test('self time of a profile', () => {
  const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 4 });
  const nodes = [
    frame('(idle)'),
    frame('deliver', 'file:///srv/gyre/dist/channels/path.js'),
    frame('send'),
    frame('(garbage collector)'),
    frame('listOnTimeout', 'node:internal/timers'),
  ].map((callFrame, id) => ({ id, callFrame }));
  // 100 µs each, the first of which is before the window.
  const samples = [1, 0, 1, 1, 2, 3, 4];
  const profile = { nodes, samples, startTime: 0, endTime: 700, timeDeltas: [0, 100, 100, 100, 100, 100, 100] };
  const part = { from: 0.0001, seconds: 1 };
  const { busy, places, functions, files } = selfTimes(profile, part);
  // The last sample has no end, so its time is not known.
  expect(busy).toBeCloseTo(4 / 5);
  expect(Object.fromEntries(places.map(({ name, share }) => [name, share]))).toEqual({
    JavaScript: 0.5,
    native: 0.25,
    'garbage collection': 0.25,
    'Node.js': 0,
  });
  expect(functions[0]).toEqual({ name: 'deliver  channels/path.js:5', share: 0.5 });
  expect(files.map(({ name }) => name)).toContain('channels/path.js');
});

test('only the first delivery of a publication tells of a pause, and none of the warm-up', () => {
  const meter = new Meter(100);
  const other = new Meter(100);
  const deliveries: [due: number, at: number][] = [
    [50, 60_000],
    [100, 150],
    [100, 9000],
    [200, 9010],
    [300, 310],
  ];
  for (const [due, at] of deliveries) meter.publication(due, at, 10);
  expect([meter.firstUsMax, meter.delivered, meter.receivedBytes]).toEqual([8810, 4, 40]);
  other.publication(100, 120, 10);
  other.add(meter.export());
  expect(other.firstUsMax).toBe(8810);
});
