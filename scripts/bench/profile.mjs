/**
 * Where the server's time goes under the load of a scenario: a CPU profile of every thread.
 *
 *   npm run profile -- fanout [--rate 500 …]
 *
 * Text on stdout. A .cpuprofile for each thread goes to bench-results/: open them in the performance panel of Chromium's
 * developer tools. Native code is one block there; `perf record -g -p <pid>` looks into it.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runBench } from './lib/cli.mjs';
import { generate } from './lib/generators.mjs';
import { Profiler } from './lib/inspector.mjs';
import { threadCpuSeconds } from './lib/processes.mjs';
import { COMMON_HELP, folderFor, generatorFor, readRun, serverOptions } from './lib/run.mjs';
import { selfTimes } from './lib/self-time.mjs';
import { startServer } from './lib/servers.mjs';
import { figure, summaryOf, table } from './report/text.mjs';

const LINES = 15;
const HELP = `npm run profile -- scenario [options]\n${COMMON_HELP}`;
const percent = (share) => `${(share * 100).toFixed(1)}%`;

await runBench(async () => {
  const run = readRun(process.argv.slice(2));
  if (run.values.help) {
    console.log(HELP);
    return true;
  }
  if (run.scenarios.length !== 1) throw new Error('name one scenario');
  const { result, threads, cpu, startedAt } = await profiled(run.scenarios[0], run);
  const measured = { from: (Date.parse(result.started_at) - startedAt) / 1000, seconds: result.seconds };
  const folder = folderFor(run, `profile-${result.scenario}`);
  mkdirSync(folder, { recursive: true });
  for (const { title, profile } of threads)
    writeFileSync(join(folder, `${title.replace(' ', '-')}.cpuprofile`), JSON.stringify(profile));
  const text = [
    summaryOf(result),
    ...threads.map(({ title, profile }) => describe(title, selfTimes(profile, measured))),
    `\nCPU of threads from before the first connection to the end, s\n${cpuTable(cpu)}`,
  ].join('\n');
  writeFileSync(join(folder, 'profile.txt'), `${text}\n`);
  console.log(`${text}\n\nProfiles: ${folder}`);
  return result.valid;
});

async function profiled(scenario, run) {
  const server = await startServer({ ...serverOptions(run), nodeFlags: ['--inspect=127.0.0.1:0'] });
  try {
    const profiler = await Profiler.attach(server.output());
    const before = threadCpuSeconds(server.pid);
    const startedAt = await profiler.start();
    const result = await generate(generatorFor(run), [scenario, ...run.flags], server, run.seconds(scenario));
    const threads = await profiler.stop();
    const cpu = threadCpuSeconds(server.pid).map((thread) => usedSince(before, thread));
    profiler.close();
    return { result, threads, cpu, startedAt };
  } finally {
    await server.stop();
  }
}

function usedSince(before, thread) {
  const { user = 0, system = 0 } = before.find(({ id }) => id === thread.id) ?? {};
  return { ...thread, user: thread.user - user, system: thread.system - system };
}

function describe(title, { seconds, busy, places, functions, files }) {
  const head = `\n${title}: busy ${percent(busy)} of ${figure(seconds)} s`;
  if (functions.length === 0) return head;
  const list = (shares) =>
    shares
      .slice(0, LINES)
      .map(({ name, share }) => `  ${percent(share).padStart(6)}  ${name}`)
      .join('\n');
  const where = places.map(({ name, share }) => `${name} ${percent(share)}`).join(', ');
  return `${head}: ${where}\n self time by function\n${list(functions)}\n by file\n${list(files)}`;
}

function cpuTable(cpu) {
  const rows = cpu
    .filter(({ user, system }) => user + system > 0)
    .sort((a, b) => b.user + b.system - (a.user + a.system))
    .map(({ id, name, user, system }) => [`  ${name} ${id}`, figure(user), figure(system)]);
  return table([['  thread', 'user', 'kernel'], ...rows]);
}
