/** The scorecard: what is judged how, and the command with one tiny row of each kind. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { readOptions } from '../../scripts/bench/generator/options.mjs';
import { EXPERIMENTS } from '../../scripts/bench/goals/experiments.mjs';
import { crowded, goalText, judge } from '../../scripts/bench/goals/judge.mjs';
import { Bench, Measured } from '../../scripts/bench/goals/measure.mjs';
import { chooseGoals, GOALS } from '../../scripts/bench/goals/table.mjs';
import { sampleResult } from './sample-result.js';

const root = mkdtempSync(join(tmpdir(), 'gyre-goals-'));
beforeAll(() => () => rmSync(root, { recursive: true }));

interface Variant {
  scenario: string;
  load: Record<string, unknown>;
  server?: string;
}

const GYRE = 'node dist/cli/gyre.js -c {config} -p {port}';
const TINY = ['--generator', 'javascript', '--seconds', '0.3', '--warmup', '0.1', '--warmup-rate', '20'];
const run = (...args: string[]) =>
  promisify(execFile)(process.execPath, ['scripts/bench/goals.mjs', ...TINY, ...args]).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, stdout, stderr }),
  );

const pair = (a: number, b: number) => ({
  a: sampleResult({ perDeliveryUs: a }),
  b: sampleResult({ perDeliveryUs: b }),
});

describe('a goal', () => {
  const goal = GOALS.find(({ id }) => id === 'G1')!;

  test('is met by the median of its rounds', () => {
    const judged = judge(goal, [pair(2, 2.6), pair(2, 3), pair(2, 4)]);
    expect(judged).toMatchObject({ met: true, rounds: 3, void: 0, value: { median: 1.5, min: 1.3, max: 2 } });
    expect(judged.score!.median).toBeCloseTo(1.5 / 1.4);
    expect(judge(goal, [pair(2, 2.6)])).toMatchObject({ met: false });
  });

  test('that is a bound is scored the other way', () => {
    const bound = { id: 'x', what: '', unit: 'µs', of: ({ a }: { a: { n: number } }) => a.n, max: 10 };
    const rounds = [5, 20, 40].map((n) => ({ a: { n, valid: true } }));
    expect(judge(bound, rounds)).toMatchObject({ met: false, value: { median: 20 }, score: { median: 0.5 } });
    expect([goalText(bound), goalText(goal), goalText({ unit: 'ms' })]).toEqual(['≤ 10 µs', '≥ 1.4 ×', '']);
  });

  test('is missed where there is no valid round, which says why', () => {
    const broken = pair(2, 3);
    Object.assign(broken.b, { valid: false, void: 'lost' });
    expect(judge(goal, [broken])).toMatchObject({ met: false, value: null, void: 1, why: 'lost' });
    expect(judge(goal, [pair(2, 3), broken])).toMatchObject({ met: true, rounds: 1, void: 1, why: 'lost' });
  });

  test('tells of runs in which somebody took too much of the cores, or too little', () => {
    const busy = sampleResult();
    busy.cpu = { ...busy.cpu, server_total_s: 3, client_s: 2 };
    const rounds = { x: [{ a: busy, b: sampleResult() }], y: [{ a: busy }] };
    expect(crowded(rounds, (name) => (name === 'x' ? { all: 2 } : undefined))).toEqual([
      'x, a: server and generator took 83 % of all cores',
    ]);
    expect(crowded(rounds, (name) => ({ generator: name === 'x' ? 1 : 0.7 }))).toEqual([
      'y, a: the generator took 95 % of its cores',
    ]);
    expect(crowded(rounds, (name) => ({ generator: 2, server: name === 'x' ? 1 : 2 }))).toEqual([
      'x, b: the server took 50 % of its cores: a higher --rate shows its limit',
      'y, a: the server took 50 % of its cores: a higher --rate shows its limit',
    ]);
  });

  test('is chosen by its id, with what belongs to it', () => {
    const ids = (only: string): string[] => chooseGoals(only).map(({ id }) => id);
    expect(ids('G1,G12')).toEqual(['G1', 'G1-library', 'G1-floor', 'G12']);
    expect(ids('G17-cpu')).toEqual(['G17-cpu']);
    expect(() => ids('G1,G99')).toThrow('G99 is none of G1,');
    expect(new Set(GOALS.map(({ id }) => id)).size).toBe(GOALS.length);
  });
});

test('every experiment is one that a goal looks at, with a load that generators take', () => {
  expect([...new Set(GOALS.map(({ experiment }) => experiment))].toSorted()).toEqual(
    Object.keys(EXPERIMENTS).toSorted(),
  );
  for (const { variants } of Object.values(EXPERIMENTS))
    for (const { scenario, load } of Object.values(variants) as Variant[]) {
      if (scenario === undefined) continue;
      const flags = Object.entries(load).flatMap(([name, value]) => [`--${name}`, String(value)]);
      expect(readOptions([scenario, ...flags])).toMatchObject({ scenario, seconds: load.seconds });
    }
});

test('what was measured with other options does not count', () => {
  const file = join(root, 'measured.json');
  const measured = new Measured(file);
  const bench = (seconds: string) => new Bench({ generator: { name: 'native' }, overrides: { seconds } });
  const key = bench('1').keyOf(EXPERIMENTS.hop);
  measured.of('hop', key).rounds.push({ a: {} });
  measured.save();
  expect(new Measured(file).of('hop', key).rounds).toHaveLength(1);
  expect(new Measured(file).of('hop', bench('2').keyOf(EXPERIMENTS.hop)).rounds).toHaveLength(0);
});

describe('the command', () => {
  const small = ['--subscribers', '4', '--channels', '1', '--rate', '40'];

  test('shows beside a ratio what the library alone would get', async () => {
    const out = join(root, 'library');
    const { stdout } = await run('--only', 'G9', '--with', GYRE, '--out', out, '--pairs', '1', '--rate', '40');
    expect(stdout).toMatch(/^G9-library +the same, what a bare server/m);
    const { results } = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8')) as Report;
    expect(results.map(({ server, valid }) => [server.version, valid])).toEqual([
      [expect.not.stringMatching('bare'), true],
      [expect.not.stringMatching('bare'), true],
      ['bare', true],
    ]);
  });

  test('measures, judges, reports, and goes on where it ended', async () => {
    const out = join(root, 'fanout');
    const first = await run('--only', 'G1', '--with', GYRE, '--out', out, '--pairs', '1', ...small);
    expect(first.stderr).toMatch(/fanout-1000: round 1\/1, b … \(\d+ (s|min) to go\)/);
    expect(first.stderr).toMatch(/fanout-1000: round 1\/1, b, for the rate …/);
    expect(first.stdout).toMatch(/^G1 +1 channel.* (met|MISSED) .*≥ 1.4 ×/m);
    expect(first.stdout).toMatch(/^One again: npm run bench:goals -- --only G1 .*--with 'node dist/m);
    const { goals } = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8')) as Report;
    expect(goals.map(({ id, rounds, void: broken }) => [id, rounds, broken])).toEqual([
      ['G1', 1, 0],
      ['G1-library', expect.any(Number), 0],
      ['G1-floor', expect.any(Number), 0],
    ]);
    expect(first.code).toBe(goals.every(({ met }) => met) ? 0 : 1);
    expect(readdirSync(out)).toEqual(
      expect.arrayContaining(['report.html', 'goals-1.svg', 'servers.svg', 'measured.json']),
    );
    expect(readFileSync(join(out, 'servers.svg'), 'utf8')).toMatch(/1 channel, 1,000 subscribers<.*\d ×/);
    const again = await run('--only', 'G1', '--with', GYRE, '--out', out, '--pairs', '2', ...small);
    expect(again.stderr.match(/round \d\/2, ./g)).toEqual(['round 2/2, l', 'round 2/2, b', 'round 2/2, a']);
    expect(again.stdout).toMatch(/^G1 /m);
  }, 300_000);

  test('compares loads of one server, deltas among them', async () => {
    const out = join(root, 'delta');
    const { stdout } = await run('--only', 'G17-bytes', '--out', out, '--pairs', '1', ...small, '--seconds', '1');
    expect(stdout).toMatch(/^G17-bytes +fossil delta.* met +1\d\.?\d* %/m);
  }, 120_000);

  test('says what it cannot use', async () => {
    expect(await run('--only', 'G1')).toMatchObject({ code: 2, stderr: /--with says what to compare with/ });
    expect(await run('--only', 'G0')).toMatchObject({ code: 2, stderr: /G0 is none of/ });
    expect(await run('--rate', 'x')).toMatchObject({ code: 2, stderr: /--rate must be a number/ });
  }, 60_000);
});

interface Report {
  goals: { id: string; rounds: number; void: number; met: boolean | null }[];
  results: { server: { version: string }; valid: boolean }[];
}
