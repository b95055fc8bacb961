/**
 * The load generator in JavaScript: for where the native one is not built. Same scenarios, options and result.
 *
 *   node scripts/bench/generator/main.mjs fanout --url http://127.0.0.1:8000 --api-key … --secret … [--pid …]
 *
 * One line of JSON on stdout. Exit code 1 when the run is void, 2 when it could not be made.
 */
import { summaryOf } from '../report/text.mjs';
import { SCENARIOS } from '../scenarios.mjs';
import { runBench } from './bench.mjs';
import { help, readOptions } from './options.mjs';

const scenarioHelp = () =>
  Object.entries(SCENARIOS)
    .map(([name, { summary }]) => `  ${name.padEnd(16)}${summary}`)
    .join('\n');

try {
  if (process.argv.includes('--help')) console.log(`Scenarios\n${scenarioHelp()}\n\nOptions\n${help()}`);
  else {
    const options = readOptions(process.argv.slice(2));
    const result = await runBench(options);
    if (!options.json) console.error(summaryOf(result));
    console.log(JSON.stringify(result));
    process.exitCode = result.valid ? 0 : 1;
  }
} catch (error) {
  console.error(error.message);
  process.exit(2);
}
