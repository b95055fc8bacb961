/**
 * Compares two servers by pairs of runs in the order A B B A …, each against a freshly started server.
 *
 *   npm run bench:compare -- --with 'centrifugo -c {config} --http_server.port {port}'
 *   npm run bench:compare -- connect publish --with http://127.0.0.1:8000
 *
 * A is Gyre as built, or what --base says; B is what --with says. Exit code 1 when a run is void.
 */
import { runBench } from './lib/cli.mjs';
import { COMMON_HELP, folderFor, generatorFor, readRun, runOnce } from './lib/run.mjs';
import { compare, pairOrder } from './lib/statistics.mjs';
import { comparisonTable, serverName } from './report/text.mjs';
import { writeReport } from './report/write.mjs';
import { SCENARIOS } from './scenarios.mjs';

const PAIRS = '6';
const HELP = `npm run bench:compare -- [scenario ...] --with TARGET [options]
  scenarios: ${Object.keys(SCENARIOS).join(', ')}; without any fanout
  --with TARGET     server B: a URL, or a command with {config} and {port} in it
  --base TARGET     server A; without it Gyre
  --pairs N         pairs of runs; ${PAIRS} by default, at least 2
${COMMON_HELP}`;

await runBench(async () => {
  const text = { type: 'string' };
  const run = readRun(process.argv.slice(2), { with: text, base: text, pairs: { ...text, default: PAIRS } });
  if (run.values.help) {
    console.log(HELP);
    return true;
  }
  const pairs = Number(run.values.pairs);
  if (!Number.isInteger(pairs) || pairs < 2 || pairs > 1000)
    throw new RangeError('--pairs must be an integer from 2 to 1000');
  if (run.values.with === undefined) throw new Error('--with says what to compare with: a URL or a command');
  const generator = generatorFor(run);
  const comparisons = [];
  for (const scenario of run.scenarios.length > 0 ? run.scenarios : ['fanout'])
    comparisons.push(await compareOn(scenario, { run, generator, pairs }));
  const name = `compare-${comparisons.map(({ scenario }) => scenario).join('-')}`;
  const results = comparisons.flatMap(({ runs }) => runs.flatMap(({ a, b }) => [a, b]));
  const folder = await writeReport(folderFor(run, name), { title: 'Comparison', results, comparisons }, run.values.png);
  console.log(`Report: ${folder}/report.html`);
  return results.every(({ valid }) => valid);
});

async function compareOn(scenario, { run, generator, pairs }) {
  const targets = { a: run.values.base, b: run.values.with };
  const runs = [];
  for (const [i, order] of pairOrder(pairs).entries()) {
    const pair = {};
    for (const side of order) {
      console.error(`${scenario}: pair ${i + 1}/${pairs}, ${side.toUpperCase()} …`);
      pair[side] = await runOnce({ scenario, run, generator, target: targets[side] });
      if (!pair[side].valid) console.error(`  VOID: ${pair[side].void}`);
    }
    runs.push(pair);
  }
  const names = { a: serverName(runs[0].a.server), b: serverName(runs[0].b.server) };
  const comparison = { scenario, names, runs, ...compare(runs) };
  console.log(`\n${scenario}: A is ${names.a}, B is ${names.b}; ${comparison.pairs} pairs`);
  if (comparison.void > 0) console.log(`${comparison.void} pairs with a VOID run do not count`);
  console.log(`${comparison.metrics.length > 0 ? comparisonTable(comparison) : 'nothing to compare'}\n`);
  return comparison;
}
