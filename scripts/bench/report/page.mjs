/** The report as one page: no scripts, nothing from the network. */
import { SCENARIOS } from '../scenarios.mjs';
import { escaped } from './chart.mjs';
import { comparisonChart, cpuChart, latencyChart, latencyOverTimeChart, throughputChart } from './charts.mjs';
import { goalsSections } from './goals.mjs';
import { pageStyle } from './style.mjs';
import { bytes, duration, figure, idleUs, resultRows, serverName } from './text.mjs';

/** @param {{title: string, createdAt: string, machine: object, results: object[], comparisons?: object[], goals?: object[], servers?: object}} report */
export function page({ title, createdAt, machine, results, comparisons = [], ...more }) {
  const compared = comparisons.length > 0;
  const sections = more.goals
    ? [...goalsSections(more), details('All runs', tableOf(results))]
    : compared
      ? [...comparisons.map(comparisonSection), details('All runs', tableOf(results))]
      : [`<section>${tableOf(results)}${hints(results)}</section>`, ...results.map(resultSection)];
  const where = `${createdAt.slice(0, 16).replace('T', ' ')} UTC · ${machine.cpu}, ${machine.cores} cores, ${bytes(machine.memory_bytes)} · ${machine.system} · Node.js ${machine.node}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escaped(title)}</title><style>${pageStyle}</style></head>
<body><main><h1>${escaped(title)}</h1><p class="muted">${escaped(where)}</p>
${sections.join('\n')}
</main></body></html>
`;
}

const details = (name, content) => `<section><details><summary>${name}</summary>${content}</details></section>`;

function tableOf(results) {
  const [head, ...rows] = resultRows(results);
  const cells = (tag, row) => `<tr>${row.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  return `<div class="scroll"><table><thead>${cells('th', head)}</thead><tbody>${rows.map((row) => cells('td', row)).join('')}</tbody></table></div>`;
}

function hints(results) {
  const notes = ['Latency counts from when an operation was due.'];
  if (results.some(({ floor }) => floor !== null))
    notes.push('× floor: CPU per delivery in relation to what the kernel alone needs for the send.');
  return `<p class="muted" style="margin-top:12px">${notes.join(' ')}</p>`;
}

function resultSection(result) {
  const { scenario, parameters } = result;
  const charts = [
    latencyChart('Latency by percentile', [{ name: scenario, results: [result] }]),
    throughputChart(result),
    latencyOverTimeChart(result),
    cpuChart(result),
  ];
  const load = Object.entries(parameters).map(([name, value]) => `${name} ${value}`);
  const about = `${serverName(result.server)} · ${result.generator} generator · ${load.join(', ')}`;
  return `<section><h2>${scenario}</h2><p>${escaped(SCENARIOS[scenario].summary)}</p><p class="muted">${escaped(about)}</p>
${voidNote(result)}${figures(figuresOf(result))}${grid(charts)}</section>`;
}

const voidNote = (result) => (result.valid ? '' : `<p class="void">Void: ${escaped(result.void)}</p>`);

const grid = (charts) =>
  `<div class="charts">${charts
    .filter(Boolean)
    .map((chart) => `<div>${chart}</div>`)
    .join('')}</div>`;

const figures = (list) =>
  `<dl class="figures">${list.map(([name, value]) => `<div><dt>${escaped(name)}</dt><dd>${escaped(value)}</dd></div>`).join('')}</dl>`;

function figuresOf(result) {
  const { rates, latency_us: latency, cpu, memory, floor } = result;
  const isIdle = result.scenario === 'idle';
  const all = [
    !isIdle && ['operations/s', figure(rates.operations_per_second)],
    rates.deliveries_per_second > 0 && ['deliveries/s', figure(rates.deliveries_per_second)],
    latency && ['latency p50', duration(latency.p50)],
    latency && ['latency p99', duration(latency.p99)],
    cpu.per_delivery_us !== null && ['CPU per delivery', duration(cpu.per_delivery_us)],
    !isIdle && cpu.per_operation_us !== null && ['CPU per operation', duration(cpu.per_operation_us)],
    isIdle && ['CPU per connection and second', duration(idleUs(result))],
    floor && ['of the floor', `${figure(floor.times)} ×`],
    memory.per_connection !== null && ['RSS per connection', bytes(memory.per_connection)],
    memory.server_rss_peak !== null && ['RSS at most', bytes(memory.server_rss_peak)],
    cpu.redis_s !== null && ['CPU of Redis', `${figure(cpu.redis_s)} s`],
  ];
  return all.filter(Boolean);
}

function comparisonSection(comparison) {
  const { scenario, names, runs, metrics } = comparison;
  const valid = runs.filter(({ a, b }) => a.valid && b.valid);
  const groups = ['a', 'b'].map((side) => ({
    name: `${side.toUpperCase()}: ${names[side]}`,
    results: valid.map((pair) => pair[side]),
  }));
  const left = comparison.void > 0 ? `<p class="void">${comparison.void} pairs with a void run do not count.</p>` : '';
  const rows = metrics.map(({ label, a, b, ratio, verdict }) => {
    const cells = [
      label,
      figure(a),
      figure(b),
      `${figure(ratio.median)} ×`,
      `${figure(ratio.low)} – ${figure(ratio.high)}`,
      verdict,
    ];
    return `<tr>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`;
  });
  return `<section><h2>${scenario}</h2><p>${escaped(SCENARIOS[scenario].summary)}</p>
<p class="muted">A: ${escaped(names.a)} · B: ${escaped(names.b)} · ${comparison.pairs} pairs of runs in the order A B B A</p>${left}
${grid([comparisonChart(comparison), latencyChart('Latency by percentile, all runs', groups)])}
<div class="scroll"><table><thead><tr><th></th><th>A</th><th>B</th><th>B / A</th><th>middle half</th><th></th></tr></thead>
<tbody>${rows.join('')}</tbody></table></div></section>`;
}
