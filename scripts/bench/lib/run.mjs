/** What bench, compare and profile share: their command line, and a run of one scenario against a server of its own. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LOAD_OPTIONS, whole } from '../generator/options.mjs';
import { defaultsOf, SCENARIOS } from '../scenarios.mjs';
import { keptTo, separateCores } from './cores.mjs';
import { withFloor } from './floor.mjs';
import { chooseGenerator, generate } from './generators.mjs';
import { startServer } from './servers.mjs';

const ROOT = new URL('../../../', import.meta.url).pathname;
/** Of servers that run already; those started here use server.json. */
const workers = whole(1, 1024);
const SERVER_FLAGS = ['api-key', 'secret', 'pid', 'addresses'];

export const COMMON_HELP = `  --redis           with a redis-server of its own instead of the memory engine
  --workers N       of Gyre
  --apart           server and generator each on half of the cores
  --generator NAME  native or javascript
  --out FOLDER      for the report; by default one in bench-results/
  --png             charts as PNG too; needs Chromium
  and the load: ${Object.keys(LOAD_OPTIONS)
    .map((name) => `--${name}`)
    .join(' ')}
  of a server that runs already: ${SERVER_FLAGS.map((name) => `--${name}`).join(' ')} --tls-insecure`;

/**
 * @param {object} extra  options of the script, as for parseArgs
 * @returns {{scenarios: string[], values: object, flags: string[], seconds: (scenario: string) => number, cores?: object}}
 *   `flags` go to the generator as they are; `cores` with --apart
 */
export function readRun(argv, extra = {}) {
  const passed = [...Object.keys(LOAD_OPTIONS), ...SERVER_FLAGS];
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      ...Object.fromEntries(passed.map((name) => [name, { type: 'string' }])),
      redis: { type: 'boolean', default: false },
      workers: { type: 'string' },
      apart: { type: 'boolean', default: false },
      'tls-insecure': { type: 'boolean', default: false },
      generator: { type: 'string' },
      out: { type: 'string' },
      png: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      ...extra,
    },
  });
  const scenarios = positionals.flatMap((text) => text.split(','));
  for (const name of scenarios)
    if (!Object.hasOwn(SCENARIOS, name))
      throw new RangeError(`${name} is none of the scenarios: ${Object.keys(SCENARIOS).join(', ')}`);
  if (![undefined, 'native', 'javascript'].includes(values.generator))
    throw new RangeError('--generator must be native or javascript');
  if (values.workers !== undefined) workers('workers', values.workers);
  const given = passed.filter((name) => values[name] !== undefined);
  for (const name of given) LOAD_OPTIONS[name]?.read(name, values[name]);
  const flags = given.flatMap((name) => [`--${name}`, values[name]]);
  if (values['tls-insecure']) flags.push('--tls-insecure');
  const of = (name, scenario) => Number(values[name] ?? defaultsOf(scenario)[name]);
  const cores = values.apart ? separateCores() : undefined;
  if (values.apart && cores === undefined) throw new Error('--apart needs two cores and taskset (Linux)');
  return { scenarios, values, flags, cores, seconds: (scenario) => of('seconds', scenario) + of('warmup', scenario) };
}

/** The generator that the options choose; says so on stderr if a better one could be had. */
export function generatorFor({ values, cores }) {
  const generator = chooseGenerator(values.generator);
  if (generator.hint) console.error(generator.hint);
  return { ...generator, command: keptTo(cores?.generator, generator.command) };
}

/** One scenario against a server that is started for it, unless target is a URL, with the floor where there is one. */
export async function runOnce({ scenario, run, generator, target }) {
  const server = await startServer({ target, ...serverOptions(run) });
  try {
    const result = await generate(generator, [scenario, ...run.flags], server, run.seconds(scenario));
    return await withFloor(result, run.cores);
  } finally {
    await server.stop();
  }
}

/** Of the server that is started; other servers than Gyre have no workers to count. */
export const serverOptions = ({ values: { redis, workers: count }, cores }) => ({
  redis,
  cores,
  config: count === undefined ? {} : { workers: { count: Number(count) } },
});

/** Where a report goes. */
export function folderFor(run, name) {
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  return run.values.out ?? join(ROOT, 'bench-results', `${stamp}-${name}`);
}
