/**
 * The scorecard: how far the server is with its goals of efficiency, most of them in relation to another one.
 *
 *   npm run bench:goals -- --with 'centrifugo -c {config} --http_server.port {port}'
 *   npm run bench:goals -- --with … --only G1,G8 --pairs 12
 *   npm run bench:goals -- --with … --out folder      goes on where a run into the same folder ended
 *
 * Text on stdout; report.html, result.json and a chart in the folder. Exit code 1 when a goal is missed or a run is void.
 */
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LOAD_OPTIONS } from './generator/options.mjs';
import { EXPERIMENTS } from './goals/experiments.mjs';
import { crowded, judge } from './goals/judge.mjs';
import { Bench, Measured } from './goals/measure.mjs';
import { chooseGoals, GOALS } from './goals/table.mjs';
import { runBench } from './lib/cli.mjs';
import { separateCores } from './lib/cores.mjs';
import { folderFor, generatorFor } from './lib/run.mjs';
import { goalsTable } from './report/goals.mjs';
import { resultTable, serverName } from './report/text.mjs';
import { writeReport } from './report/write.mjs';

const PAIRS = '6';
const RETRIES = 2;
const HELP = `npm run bench:goals -- --with TARGET [options]
  --with TARGET     server B, a command with {config} and {port} in it
  --base TARGET     server A; without it Gyre
  --only IDS        of goals: G1,G8; without it all of ${GOALS.map(({ id }) => id).join(' ')}
  --pairs N         rounds of runs, A B B A …; ${PAIRS} by default
  --out FOLDER      for the report; what was measured into it before is kept
  --generator NAME  native or javascript
  --png             charts as PNG too; needs Chromium
  for all rows, instead of their own: ${Object.keys(LOAD_OPTIONS)
    .map((name) => `--${name}`)
    .join(' ')}`;

await runBench(async () => {
  const text = { type: 'string' };
  const own = { with: text, base: text, only: text, out: text, generator: text, pairs: { ...text, default: PAIRS } };
  const flags = { png: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } };
  const load = Object.fromEntries(Object.keys(LOAD_OPTIONS).map((name) => [name, text]));
  const { values } = parseArgs({ options: { ...own, ...flags, ...load } });
  if (values.help) {
    console.log(HELP);
    return true;
  }
  const pairs = Number(values.pairs);
  if (!Number.isInteger(pairs) || pairs < 1 || pairs > 1000)
    throw new RangeError('--pairs must be an integer from 1 to 1000');
  const overrides = overridesIn(values);
  const goals = chooseGoals(values.only);
  const names = [...new Set(goals.map(({ experiment }) => experiment))];
  const needsOther = names.some((name) => Object.values(EXPERIMENTS[name].variants).some((v) => v.server === 'other'));
  if (needsOther && values.with === undefined) throw new Error('--with says what to compare with: a command');
  const folder = folderFor({ values }, 'goals');
  mkdirSync(folder, { recursive: true });
  const cores = separateCores();
  const generator = generatorFor({ values });
  const bench = new Bench({ other: values.with, base: values.base, generator, overrides, cores });
  const measured = new Measured(join(folder, 'measured.json'));
  const rounds = await measureAll(names, { bench, measured, pairs });
  const judged = goals.map((goal) => judge(goal, rounds[goal.experiment]));
  const results = names
    .flatMap((name) => rounds[name].flatMap((round) => Object.values(round)))
    .filter((r) => r.scenario);
  const servers = serversOf(rounds);
  const notes = crowded(rounds, (name) => {
    const { together, loadTo, saturates } = EXPERIMENTS[name];
    if (cores !== undefined && !together)
      return { generator: cores.generator.length, server: saturates ? cores.server.length : undefined };
    return loadTo === undefined ? { all: availableParallelism() } : undefined;
  });
  const command = (id) =>
    `npm run bench:goals -- --only ${id}${quoted({ ...values, only: undefined, out: undefined })}`;
  const report = {
    title: 'Goals',
    results,
    goals: judged.map((goal) => ({ ...goal, command: command(goal.id) })),
    servers,
    notes,
  };
  console.log(`\n${goalsTable(report)}\n`);
  for (const line of notes) console.log(line);
  if (results.some(({ valid }) => !valid)) console.log(`${resultTable(results.filter(({ valid }) => !valid))}\n`);
  console.log(`One again: ${command(judged[0].id)}`);
  console.log(`Report: ${await writeReport(folder, report, values.png)}/report.html`);
  return judged.every(({ met, void: voids }) => met !== false && voids === 0);
});

function overridesIn(values) {
  const given = Object.keys(LOAD_OPTIONS).filter((name) => values[name] !== undefined);
  for (const name of given) LOAD_OPTIONS[name].read(name, values[name]);
  return Object.fromEntries(given.map((name) => [name, values[name]]));
}

/** @returns {Promise<Record<string, object[]>>} rounds by experiment */
async function measureAll(names, { bench, measured, pairs }) {
  const rounds = {};
  const todo = names.map((name) => {
    const experiment = EXPERIMENTS[name];
    const state = measured.of(name, bench.keyOf(experiment));
    const wanted = Math.min(pairs, experiment.rounds ?? pairs);
    rounds[name] = state.rounds;
    return { name, experiment, state, wanted, each: bench.secondsOf(experiment) };
  });
  const left = () =>
    todo.reduce((sum, { state, wanted, each }) => sum + each * Math.max(0, wanted - state.rounds.length), 0);
  for (const one of todo) {
    while (one.state.rounds.length < one.wanted) {
      const number = one.state.rounds.length;
      const eta = duration(left());
      const tell = (variant) =>
        console.error(`${one.name}: round ${number + 1}/${one.wanted}, ${variant} … (${eta} to go)`);
      const startedAt = performance.now();
      const round = await oneRound(bench, one, number, tell);
      one.each = (performance.now() - startedAt) / 1000;
      one.state.rounds.push(round);
      measured.save();
    }
    rounds[one.name] = one.state.rounds.slice(0, one.wanted);
  }
  return rounds;
}

/** A round with a void run is told, and tried again: a machine may hiccup, a server that loses does it again. */
async function oneRound(bench, { experiment, state }, number, tell) {
  for (let attempt = 0; ; attempt++) {
    const round = await bench.round(experiment, number, state, tell);
    const broken = Object.entries(round).find(([, { valid }]) => !valid);
    if (broken === undefined) return round;
    console.error(`  VOID, ${broken[0]}: ${broken[1].void}`);
    if (attempt === RETRIES) return round;
  }
}

function serversOf(rounds) {
  const sides = { a: 'Gyre', b: undefined };
  for (const { a, b } of Object.values(rounds).flat()) {
    if (a?.server) sides.a = serverName(a.server);
    if (b?.server) sides.b = serverName(b.server);
  }
  return sides;
}

function duration(seconds) {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}

/** Options as they would be typed. */
function quoted(values) {
  const word = (value) => (/^[\w./:-]+$/.test(value) ? value : `'${value}'`);
  return Object.entries(values)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([name, value]) => (value === true ? ` --${name}` : ` --${name} ${word(value)}`))
    .join('');
}
