/**
 * Measures a server.
 *
 *   npm run bench                                   a tour of the scenarios, about two minutes
 *   npm run bench:fanout -- --subscribers 1000      one scenario; several: npm run bench -- fanout connect
 *   npm run bench -- --with http://127.0.0.1:8000   another server, by URL or command
 *
 * Text on stdout; report.html, result.json and charts in bench-results/. Exit code 1 when a run is void.
 */
import { runBench } from './lib/cli.mjs';
import { COMMON_HELP, folderFor, generatorFor, readRun, runOnce } from './lib/run.mjs';
import { resultTable, summaryOf } from './report/text.mjs';
import { writeReport } from './report/write.mjs';
import { SCENARIOS } from './scenarios.mjs';

const HELP = `npm run bench [-- [scenario ...] [options]]
  scenarios: ${Object.keys(SCENARIOS).join(', ')}; without any all of them
  --with TARGET     a URL, or a command with {config} and {port} in it, instead of Gyre
${COMMON_HELP}`;

await runBench(async () => {
  const run = readRun(process.argv.slice(2), { with: { type: 'string' } });
  if (run.values.help) {
    console.log(HELP);
    return true;
  }
  const scenarios = run.scenarios.length > 0 ? run.scenarios : Object.keys(SCENARIOS);
  const generator = generatorFor(run);
  const results = [];
  for (const [i, scenario] of scenarios.entries()) {
    console.error(`[${i + 1}/${scenarios.length}] ${scenario}: ${SCENARIOS[scenario].summary} …`);
    const result = await runOnce({ scenario, run, generator, target: run.values.with });
    results.push(result);
    console.error(summaryOf(result).replace(/^.*\n/, ''));
  }
  console.log(`\n${resultTable(results)}\n`);
  const name = scenarios.length === 1 ? scenarios[0] : 'tour';
  const folder = await writeReport(folderFor(run, name), { title: `Benchmark: ${name}`, results }, run.values.png);
  console.log(`Report: ${folder}/report.html`);
  return results.every(({ valid }) => valid);
});
