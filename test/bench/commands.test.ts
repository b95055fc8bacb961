/** What users run: benchmark, comparison and profile, tiny, with the servers that they start. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { chooseGenerator } from '../../scripts/bench/lib/generators.mjs';
import { listenerPid } from '../../scripts/bench/lib/processes.mjs';
import { checkResult } from '../../scripts/bench/lib/result.mjs';
import { readRun } from '../../scripts/bench/lib/run.mjs';
import { startServer, words } from '../../scripts/bench/lib/servers.mjs';

const root = mkdtempSync(join(tmpdir(), 'gyre-commands-'));
beforeAll(() => () => rmSync(root, { recursive: true }));

const TINY = ['--generator', 'javascript', '--seconds', '0.3', '--warmup', '0.1', '--rate', '50'];
const run = (script: string, ...args: string[]) =>
  promisify(execFile)(process.execPath, [`scripts/bench/${script}`, ...args, ...TINY]);
const hasCompiler = spawnSync('cc', ['--version']).status === 0 && process.platform === 'linux';

describe('commands', () => {
  test('bench measures a scenario and writes a report', async () => {
    const out = join(root, 'bench');
    const { stdout } = await run('bench.mjs', 'fanout', '--subscribers', '5', '--redis', '--out', out);
    expect(stdout).toMatch(/^scenario .*\nfanout .*\n\nReport: /m);
    const { results } = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8')) as { results: object[] };
    expect(results).toHaveLength(1);
    const fanout = checkResult(results[0]);
    expect(fanout).toMatchObject({ scenario: 'fanout', valid: true, counts: { delivered: 75 } });
    expect(fanout.cpu.redis_s).toEqual(expect.any(Number));
    if (hasCompiler) expect(fanout.floor!.us_per_send).toBeGreaterThan(0);
    expect(readdirSync(out)).toContain('report.html');
  }, 60_000);

  test('compare runs pairs', async () => {
    const out = join(root, 'compare');
    const server = await startServer();
    const same = ['--base', server.url, '--with', server.url];
    const { stdout } = await run('compare.mjs', 'publish', '--pairs', '2', ...same, '--out', out);
    await server.stop();
    expect(stdout).toMatch(/^publish: A is Gyre .*, B is Gyre .*; 2 pairs$/m);
    expect(stdout).toMatch(/^latency p50, µs .* no clear difference$/m);
    const { comparisons } = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8')) as Report;
    expect(comparisons[0]).toMatchObject({ scenario: 'publish', pairs: 2, void: 0 });
  }, 60_000);

  test('profile shows every thread', async () => {
    const out = join(root, 'profile');
    const { stdout } = await run('profile.mjs', 'rpc', '--out', out);
    expect(stdout).toMatch(/^main: busy /m);
    expect(stdout).toMatch(/^worker 1: busy .*JavaScript/m);
    expect(stdout).toMatch(/^ +[\d.]+% {2}\S+ {2}\w+\/[\w/-]+\.js:\d+$/m);
    const profiles = readdirSync(out).filter((name) => name.endsWith('.cpuprofile'));
    expect(profiles).toContain('main.cpuprofile');
    for (const name of profiles) expect(JSON.parse(readFileSync(join(out, name), 'utf8')).nodes).not.toHaveLength(0);
  }, 60_000);

  test('what they cannot use', async () => {
    const missing = { code: 2, stderr: expect.stringMatching(/--with says what to compare with/) };
    await expect(run('compare.mjs')).rejects.toMatchObject(missing);
    expect(() => readRun(['guess'])).toThrow('guess is none of the scenarios');
    expect(() => readRun(['fanout', '--rate', 'x'])).toThrow('--rate must be a number');
    expect(() => readRun(['--generator', 'fast'])).toThrow('--generator must be native or javascript');
    expect(() => readRun(['--unknown'])).toThrow('--unknown');
  });

  test('load and server options are for the generator, all else is not', () => {
    const run = readRun(['fanout,publish', '--rate', '7', '--api-key', 'k', '--redis', '--seconds', '2']);
    expect(run.scenarios).toEqual(['fanout', 'publish']);
    expect(run.flags).toEqual(['--seconds', '2', '--rate', '7', '--api-key', 'k']);
    expect(run.seconds('fanout')).toBe(3);
  });
});

interface Report {
  comparisons: object[];
}

describe('servers', () => {
  test('of a command', async () => {
    const server = await startServer({ target: `"${process.execPath}" dist/cli/gyre.js -c {config} -p {port}` });
    const { port } = new URL(server.url);
    expect(listenerPid(Number(port))).toBe(server.pid);
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    await server.stop();
    expect(listenerPid(Number(port))).toBeUndefined();
  });

  test('by URL are found and left alone', async () => {
    const http = createServer();
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    const server = await startServer({ target: url });
    expect(server).toMatchObject({ url, pid: process.pid });
    await server.stop();
    expect(http.listening).toBe(true);
    await new Promise((resolve) => http.close(resolve));
    await expect(startServer({ target: url, redis: true })).rejects.toThrow('--redis is for servers');
  });

  test('that do not start say why', async () => {
    await expect(startServer({ target: 'gyre -c {config}' })).rejects.toThrow('a command needs {config} and {port}');
    await expect(startServer({ target: 'no-such-program {config} {port}' })).rejects.toThrow('is not installed');
    const broken = startServer({ config: { engine: { type: 'none' } } });
    await expect(broken).rejects.toThrow(/ended with \d+: .*engine\.type/s);
  });

  test('words of a command line', () => {
    expect(words(`node "a b" 'c "d"' e`)).toEqual(['node', 'a b', 'c "d"', 'e']);
  });
});

test('the JavaScript generator is there without anything else', () => {
  expect(chooseGenerator('javascript')).toMatchObject({ name: 'javascript' });
  expect(['native', 'javascript']).toContain(chooseGenerator().name);
});
