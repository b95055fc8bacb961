/** Comparing two servers by pairs of runs. */

/** Linear between the two nearest. @param {number[]} values at least one */
export function quantile(values, q) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = sorted[Math.floor(at)];
  return below + (sorted[Math.ceil(at)] - below) * (at - Math.floor(at));
}

export const median = (values) => quantile(values, 0.5);

/** The order of runs in a comparison: A B, B A, A B, … so that a drift of the machine hits both alike. */
export const pairOrder = (pairs) => Array.from({ length: pairs }, (_, i) => (i % 2 === 0 ? ['a', 'b'] : ['b', 'a']));

/** What of a result is compared. A metric counts where both have it, above zero. */
export const METRICS = [
  { key: 'delivery', label: 'CPU per delivery, µs', of: (r) => r.cpu.per_delivery_us },
  { key: 'operation', label: 'CPU per operation, µs', of: (r) => r.cpu.per_operation_us },
  { key: 'p50', label: 'latency p50, µs', of: (r) => r.latency_us?.p50 },
  { key: 'p99', label: 'latency p99, µs', of: (r) => r.latency_us?.p99 },
  { key: 'p999', label: 'latency p99.9, µs', of: (r) => r.latency_us?.p999 },
  { key: 'rss', label: 'RSS at most, MB', of: (r) => r.memory.server_rss_peak && r.memory.server_rss_peak / 2 ** 20 },
  { key: 'connection', label: 'RSS per connection, B', of: (r) => r.memory.per_connection },
  { key: 'redis', label: 'CPU of Redis, s', of: (r) => r.cpu.redis_s },
];

/**
 * @param {{a: object, b: object}[]} pairs results; pairs with a void run do not count
 * @returns {{pairs: number, void: number, metrics: Metric[]}} by metric the medians of both and of the ratio b / a, with
 *   the middle half of the ratios (`low` to `high`), their extremes, and how many pairs agree on which is lower.
 * @typedef {{median: number, low: number, high: number, min: number, max: number, all: number[]}} Ratio
 * @typedef {{key: string, label: string, a: number, b: number, ratio: Ratio, verdict: string}} Metric
 */
export function compare(pairs) {
  const valid = pairs.filter(({ a, b }) => a.valid && b.valid);
  const metrics = METRICS.flatMap(({ key, label, of }) => {
    const values = valid.map(({ a, b }) => ({ a: of(a), b: of(b) })).filter(({ a, b }) => a > 0 && b > 0);
    if (values.length === 0 || values.length < valid.length) return [];
    return [{ key, label, a: median(values.map((v) => v.a)), b: median(values.map((v) => v.b)), ...ratioOf(values) }];
  });
  return { pairs: valid.length, void: pairs.length - valid.length, metrics };
}

function ratioOf(values) {
  const all = values.map(({ a, b }) => b / a);
  const lower = all.filter((ratio) => ratio < 1).length;
  const higher = all.filter((ratio) => ratio > 1).length;
  const ratio = {
    median: median(all),
    low: quantile(all, 0.25),
    high: quantile(all, 0.75),
    min: Math.min(...all),
    max: Math.max(...all),
    all,
  };
  return { ratio, verdict: verdictOf(lower, higher, all.length) };
}

/** Chance of so uneven a split, or a more uneven one, if neither were lower (two-sided sign test). */
export function signTest(lower, higher) {
  const n = lower + higher;
  let choose = 1; // n over k
  let tail = 0;
  for (let k = 0; k <= Math.min(lower, higher); k++) {
    tail += choose;
    choose = (choose * (n - k)) / (k + 1);
  }
  return Math.min(1, (2 * tail) / 2 ** n);
}

const CHANCE_MAX = 0.05;

function verdictOf(lower, higher, n) {
  if (signTest(lower, higher) > CHANCE_MAX) return 'no clear difference';
  return lower > higher ? `B lower in ${lower} of ${n}` : `B higher in ${higher} of ${n}`;
}
