/** Results as text. */

/** 0.1234 → "0.123", 12345.6 → "12,346": three significant digits, or whole. */
export function figure(value) {
  if (value == null) return '–';
  if (value === 0) return '0';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

export function duration(us) {
  if (us == null) return '–';
  if (us < 1000) return `${figure(us)} µs`;
  return us < 1e6 ? `${figure(us / 1000)} ms` : `${figure(us / 1e6)} s`;
}

export function bytes(value) {
  if (value == null) return '–';
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  const power = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log(value) / Math.log(1024)));
  return `${figure(value / 1024 ** power)} ${units[power]}`;
}

export const serverName = ({ software, version }) => {
  const name = { gyre: 'Gyre', centrifugo: 'Centrifugo' }[software] ?? 'unknown';
  return version ? `${name} ${version}` : name;
};

/** One result in a few lines. */
export function summaryOf(result) {
  const { scenario, rates, cpu, memory, latency_us: latency, valid } = result;
  const lines = [
    `${scenario}: ${serverName(result.server)}, ${figure(result.seconds)} s, ${result.generator} generator`,
  ];
  if (!valid) lines.push(`  VOID: ${result.void}`);
  if (scenario === 'idle') {
    lines.push(`  per connection ${bytes(memory.per_connection)} RSS and ${duration(idleUs(result))} CPU a second`);
    return lines.join('\n');
  }
  const delivered = rates.deliveries_per_second > 0 ? `, ${figure(rates.deliveries_per_second)} deliveries/s` : '';
  lines.push(`  ${figure(rates.operations_per_second)} operations/s${delivered}`);
  if (latency) {
    const of = (key) => duration(latency[key]);
    lines.push(`  latency p50 ${of('p50')}, p99 ${of('p99')}, p99.9 ${of('p999')}, max ${of('max')}`);
  }
  if (cpu.server_total_s !== null) {
    const delivery = cpu.per_delivery_us === null ? '' : `, ${duration(cpu.per_delivery_us)} per delivery`;
    const floor = result.floor ? `, ${figure(result.floor.times)} × of the floor` : '';
    lines.push(`  server CPU ${duration(cpu.per_operation_us)} per operation${delivery}${floor}`);
  }
  return lines.join('\n');
}

const rate = (value) => (value > 0 ? figure(value) : '–');

/** CPU per connection and second, µs. */
export const idleUs = ({ cpu, counts, seconds }) =>
  cpu.server_total_s === null ? null : (cpu.server_total_s * 1e6) / seconds / counts.connections;

const COLUMNS = [
  ['scenario', (r) => r.scenario],
  ['operations/s', (r) => rate(r.scenario === 'idle' ? 0 : r.rates.operations_per_second)],
  ['deliveries/s', (r) => rate(r.rates.deliveries_per_second)],
  ['p50', (r) => duration(r.latency_us?.p50)],
  ['p99', (r) => duration(r.latency_us?.p99)],
  ['p99.9', (r) => duration(r.latency_us?.p999)],
  ['CPU/operation', (r) => duration(r.scenario === 'idle' ? null : r.cpu.per_operation_us)],
  ['CPU/delivery', (r) => duration(r.cpu.per_delivery_us)],
  ['× floor', (r) => figure(r.floor?.times)],
  ['RSS', (r) => bytes(r.memory.server_rss_peak)],
  ['', (r) => (r.valid ? '' : 'VOID')],
];

/** Rows of text in columns of one width; the first column to the left, the others to the right. */
export function table(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Header and cells of one row for each result. */
export const resultRows = (results) => [
  COLUMNS.map(([title]) => title),
  ...results.map((r) => COLUMNS.map(([, of]) => of(r))),
];

export const resultTable = (results) => table(resultRows(results));

const ratio = (value) => `${figure(value)} ×`;

/** What {@link import('../lib/statistics.mjs').compare} found. */
export function comparisonTable({ metrics }) {
  const rows = metrics.map(({ label, a, b, ratio: r, verdict }) => [
    label,
    figure(a),
    figure(b),
    ratio(r.median),
    `${figure(r.low)} – ${figure(r.high)}`,
    verdict,
  ]);
  return table([['', 'A', 'B', 'B / A', 'spread', ''], ...rows]);
}
