/** Scales of chart axes: where a value is between 0 and 1, and which values get a tick. */

/** From zero, with about four round ticks. */
export function linear(max) {
  const rough = (max || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  const top = step * Math.ceil((max || 1) / step);
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => Number((i * step).toPrecision(12)));
  return { at: (value) => value / top, ticks };
}

/** Between whole powers of ten around both values, which must be above zero. */
export function log(min, max) {
  const low = Math.floor(Math.log10(min) + 1e-9);
  const high = Math.max(low + 1, Math.ceil(Math.log10(max) - 1e-9));
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  return { at: (value) => (Math.log10(value) - low) / (high - low), ticks };
}

const PERCENTILES = [50, 90, 99, 99.9, 99.99, 99.999];

/** As HdrHistogram plots percentiles: each further nine takes as much room. @param {number} max  below 100 */
export function percentiles(max) {
  const nines = (p) => Math.log10(1 / (1 - Math.min(p, max) / 100));
  const end = nines(max) || 1;
  return { at: (p) => nines(p) / end, ticks: PERCENTILES.filter((p) => p <= max) };
}

/** Beyond it labels of more ticks than one a power of ten would run into each other. */
const CROWDED = 12;

/** Ratios, with 1 in the middle: twice as much is as far from it as half as much. */
export function ratios(values) {
  const reach = Math.max(2, ...values.map((value) => Math.max(value, 1 / value))) * 1.1;
  const steps = reach > CROWDED ? [0.01, 0.1, 1, 10, 100] : [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50];
  const shown = steps.filter((step) => step >= 1 / reach && step <= reach);
  return { at: (value) => 0.5 + Math.log(value) / (2 * Math.log(reach)), ticks: shown };
}
