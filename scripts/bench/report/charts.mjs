/** The charts of results: latency by percentile, and what happened second by second. */
import { build, decodeFromCompressedBase64 } from 'hdr-histogram-js';
import { SCENARIOS } from '../scenarios.mjs';
import { lineChart, ratioChart } from './chart.mjs';
import { linear, log, percentiles } from './scales.mjs';
import { duration, figure } from './text.mjs';

const POINTS = 80;
const SERIES_POINTS_MAX = 400;
const X_TICKS_MAX = 8;

/** @param {{name: string, results: object[]}[]} groups whose histograms are added up. @returns {string | null} SVG */
export function latencyChart(title, groups) {
  const lines = groups
    .map(({ name, results }) => ({ name, histogram: sumOf(results) }))
    .filter(({ histogram }) => histogram.totalCount > 0);
  if (lines.length === 0) return null;
  // One value more than there are nines for would be the maximum again.
  const most = Math.max(...lines.map(({ histogram }) => histogram.totalCount));
  const x = percentiles(Math.min(99.999, 100 * (1 - 1 / Math.max(10, most))));
  const max = Math.max(...lines.map(({ histogram }) => histogram.maxValue));
  const min = Math.min(...lines.map(({ histogram }) => histogram.minNonZeroValue));
  return lineChart({
    title,
    lines: lines.map(({ name, histogram }) => ({ name, points: percentilePoints(histogram, x) })),
    x: { ...x, format: (p) => `${p}%`, label: 'percentile' },
    y: { ...log(Math.max(1, min), Math.max(10, max)), format: duration },
  });
}

function sumOf(results) {
  const sum = build({ highestTrackableValue: 2 ** 40, numberOfSignificantValueDigits: 3 });
  for (const { latency_us: latency } of results)
    if (latency !== null) sum.add(decodeFromCompressedBase64(latency.histogram));
  return sum;
}

/** Points at equal distances on the scale, as far as the histogram has values to tell them apart. */
function percentilePoints(histogram, { at }) {
  const end = 100 * (1 - 1 / Math.max(10, histogram.totalCount));
  const nines = (i) => 100 * (1 - 10 ** -((i / POINTS) * -Math.log10(1 - end / 100)));
  return Array.from({ length: POINTS + 1 }, (_, i) => nines(i))
    .filter((p) => at(p) <= 1)
    .map((p) => [p, histogram.getValueAtPercentile(p)]);
}

/** @returns {string | null} SVG */
export function throughputChart(result) {
  const { delivers, operation } = SCENARIOS[result.scenario];
  const key = delivers ? 'delivered' : 'operations';
  const title = delivers ? 'Deliveries a second' : `Operations a second (${operation})`;
  return result.scenario === 'idle' ? null : overTime(result, { title, format: figure }, [{ name: key, key }]);
}

export const cpuChart = (result) =>
  overTime(result, { title: 'CPU of the server, cores', format: figure }, [{ name: 'cores', key: 'server_cpu' }]);

export const latencyOverTimeChart = (result) =>
  overTime(result, { title: 'Latency over time', format: duration }, [
    { name: 'p50', key: 'p50_us' },
    { name: 'p99', key: 'p99_us' },
  ]);

function overTime({ series, seconds }, { title, format }, keys) {
  // Whole seconds only: what comes after them is the rest of what was under way.
  const end = Math.max(1, Math.round(seconds)) + 0.5;
  const whole = series.filter(({ t }, i) => t < end && t - (series[i - 1]?.t ?? 0) > 0.5);
  const every = Math.ceil(whole.length / SERIES_POINTS_MAX);
  const shown = whole.filter((_, i) => i % every === 0);
  const lines = keys
    .map(({ name, key }) => ({ name, points: shown.filter((s) => s[key] !== null).map((s) => [s.t, s[key]]) }))
    .filter(({ points }) => points.length > 0);
  if (lines.length === 0) return null;
  const max = Math.max(...lines.flatMap(({ points }) => points.map(([, value]) => value)));
  return lineChart({
    title,
    lines,
    x: { ...time(shown[0].t, shown.at(-1).t), label: 'seconds' },
    y: { ...linear(max), format },
  });
}

function time(first, last) {
  const step = Math.max(1, Math.ceil((last - first) / X_TICKS_MAX));
  const ticks = Array.from(
    { length: Math.floor((last - first) / step + 0.1) + 1 },
    (_, i) => Math.round(first) + i * step,
  );
  return { at: (t) => (last === first ? 0.5 : (t - first) / (last - first)), ticks, format: String };
}

/** @returns {string | null} SVG */
export const comparisonChart = ({ scenario, metrics }) =>
  metrics.length === 0 ? null : ratioChart(`${scenario}: B in relation to A`, metrics);
