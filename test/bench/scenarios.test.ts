/** The JavaScript load generator, tiny: every scenario against a real server, and runs that must be void. */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Api } from '../../scripts/bench/generator/api.mjs';
import { runBench } from '../../scripts/bench/generator/bench.mjs';
import { bookPayload } from '../../scripts/bench/generator/book.mjs';
import { dueAt, inGroups, planFor } from '../../scripts/bench/generator/clock.mjs';
import { readOptions } from '../../scripts/bench/generator/options.mjs';
import { checkResult } from '../../scripts/bench/lib/result.mjs';
import { startServer } from '../../scripts/bench/lib/servers.mjs';
import { SCENARIOS } from '../../scripts/bench/scenarios.mjs';
import { startFakeServer } from './fake-server.js';

type Server = Awaited<ReturnType<typeof startServer>>;
let server: Server;

beforeAll(async () => {
  server = await startServer({ config: { workers: { count: 2 } } });
  return () => server.stop();
});

const SHORT = ['--seconds', '0.3', '--warmup', '0.1'];
const split = (line: string): string[] => line.split(' ').filter((word) => word !== '');

function run(line: string, { url, pid }: { url: string; pid?: number | undefined } = server) {
  const flags = pid === undefined ? [] : ['--pid', String(pid)];
  return runBench(readOptions([...SHORT, ...split(line), '--url', url, ...flags]));
}

/** Load, and what must have been counted: 0.3 s at the rate. */
const loads: Record<string, { line: string; operations: number; delivered: number }> = {
  fanout: { line: '--subscribers 6 --rate 50 --publishers 2', operations: 15, delivered: 90 },
  channels: { line: '--subscribers 12 --channels 4 --rate 100', operations: 30, delivered: 90 },
  publish: { line: '--rate 100 --publishers 2', operations: 30, delivered: 0 },
  connect: { line: '--rate 50', operations: 15, delivered: 0 },
  recover: { line: '--rate 50 --channels 2 --missed 5', operations: 15, delivered: 75 },
  idle: { line: '--subscribers 20 --channels 20', operations: 20, delivered: 0 },
  presence: { line: '--warmup 0 --subscribers 6 --channels 2 --publishers 2 --rate 40', operations: 12, delivered: 36 },
  slow: { line: '--subscribers 100 --rate 20 --size 1000', operations: 6, delivered: 594 },
  rpc: { line: '--publishers 3 --rate 100', operations: 30, delivered: 0 },
  history: { line: '--channels 2 --rate 50 --missed 5', operations: 15, delivered: 75 },
};

test('every scenario has a load here', () => {
  expect(Object.keys(loads)).toEqual(Object.keys(SCENARIOS));
});

describe('scenarios', () => {
  test.each(Object.entries(loads))('%s', async (scenario, { line, operations, delivered }) => {
    const result = checkResult(await run(`${scenario} ${line}`));
    expect(result).toMatchObject({ scenario, generator: 'javascript', valid: true, void: null });
    expect(result.server).toMatchObject({ software: 'gyre', url: server.url });
    expect(result.counts).toMatchObject({ operations, delivered, errors: 0 });
    if (scenario === 'idle') return expect(result.latency_us).toBeNull();
    const timed = delivered > 0 && ['fanout', 'channels', 'slow'].includes(scenario) ? delivered : operations;
    expect(result.latency_us!.count).toBe(timed);
    const { min, p50, p90, p99, p999, max } = result.latency_us!;
    expect([min, p50, p90, p99, p999, max]).toEqual([min, p50, p90, p99, p999, max].toSorted((a, b) => a - b));
    const inSeries = result.series.reduce((sum, second) => sum + second.operations + second.delivered, 0);
    // Those that deliver count their operations where they are published, not by the second.
    expect(inSeries).toBeGreaterThanOrEqual(delivered);
  });

  test.each(['fanout', 'recover', 'presence', 'rpc'])('%s in Protobuf, on three threads', async (scenario) => {
    const { line, operations, delivered } = loads[scenario]!;
    const result = await run(`${scenario} ${line} --protocol protobuf --threads 3`);
    expect(result).toMatchObject({ valid: true, void: null, counts: { operations, delivered } });
  });

  test.each(['batch', 'broadcast', 'single'])('publications at a time: %s', async (api) => {
    const result = await run(`channels --subscribers 6 --channels 6 --rate 120 --batch 3 --api ${api}`);
    expect(result).toMatchObject({ valid: true, void: null, counts: { operations: 36, delivered: 36 } });
  });
});

describe('order books', () => {
  const line = 'fanout --subscribers 6 --rate 60 --payload book';

  test('are much alike, so that a delta is a part of them', async () => {
    const each = async (options: string): Promise<number> => {
      const { valid, counts } = await run(`${line} ${options}`);
      expect({ valid, delivered: counts.delivered }).toEqual({ valid: true, delivered: 108 });
      return counts.received_bytes / counts.delivered;
    };
    const whole = await each('--protocol json');
    expect(whole).toBeGreaterThan(1000);
    expect(await each('--delta fossil')).toBeLessThan(whole / 4);
    expect(await each('--delta fossil --protocol protobuf')).toBeLessThan(whole / 4);
  });

  test('are late as others are, though a delta does not say when it was due', async () => {
    const { latency_us: latency } = await run(`${line} --delta fossil --api batch --batch 3 --channels 2`);
    expect(latency!.count).toBeGreaterThan(0);
    expect(latency!.max).toBeLessThan(60_000_000);
  });

  test('change by three levels', () => {
    const levels = (sequence: number): string[] => {
      const { bids, asks } = bookPayload(0, sequence, 1);
      return [...bids, ...asks].map(({ price, size }) => `${price} ${size}`);
    };
    for (let sequence = 0; sequence < 100; sequence++) {
      const before = levels(sequence);
      expect(levels(sequence + 1).filter((level, i) => level !== before[i])).toHaveLength(3);
    }
    const { asks, bids } = bookPayload(0, 12_345, 1);
    expect([asks[19]!.price, bids[0]!.size]).toEqual(['64005.00', '7.9054']);
  });
});

describe('warm-up', () => {
  test('has a rate of its own, and none of it counts', async () => {
    const result = await run('fanout --subscribers 6 --rate 50 --warmup 0.2 --warmup-rate 500');
    expect(result).toMatchObject({ valid: true, parameters: { 'warmup-rate': 500, rate: 50 } });
    expect(result.counts).toMatchObject({ operations: 15, delivered: 90 });
    expect(result.latency_us!.count).toBe(90);
  });

  test('is followed by what is measured', () => {
    const plan = planFor({ warmup: 2, warmupRate: 10, seconds: 1, rate: 4 }, 1000);
    expect(plan).toMatchObject({ warmUpCount: 20, count: 24, fromUs: 2_001_000, untilUs: 3_001_000 });
    expect([0, 1, 19, 20, 21].map((i) => dueAt(plan, i))).toEqual([1000, 101_000, 1_901_000, 2_001_000, 2_251_000]);
    expect(inGroups(plan, 8)).toMatchObject({ warmUpCount: 2, count: 3, rate: 0.5 });
  });
});

describe('what makes a run void', () => {
  const stops: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
  });

  const fanoutAgainst = async (deliver: (publication: number) => number) => {
    const fake = await startFakeServer(deliver);
    stops.push(fake.stop);
    return run('fanout --subscribers 2 --rate 50', { url: fake.url });
  };

  test('nothing', async () => {
    expect(await fanoutAgainst(() => 1)).toMatchObject({ valid: true, server: { software: 'unknown' } });
  });

  test('a publication that comes twice', async () => {
    const result = await fanoutAgainst((publication) => (publication === 7 ? 2 : 1));
    expect(result).toMatchObject({ valid: false, void: expect.stringMatching(/out of order, repeated or missing/) });
  });

  test('a publication that is missing in between', async () => {
    const result = await fanoutAgainst((publication) => (publication === 7 ? 0 : 1));
    expect(result).toMatchObject({ valid: false, void: expect.stringMatching(/2 subscribers did not get everything/) });
  });

  test('a connection that is lost', async () => {
    const api = new Api({ url: server.url, apiKey: 'benchmark' });
    const running = run('fanout --subscribers 3 --rate 20 --seconds 1');
    const clients = async () => (await api.call('info', {})).nodes[0].num_clients as number;
    while ((await clients()) < 3) await sleep(10);
    await api.call('disconnect', { user: 'bench-1' });
    expect(await running).toMatchObject({ valid: false, void: expect.stringMatching(/1 connections were lost/) });
    api.close();
  });

  test('history that cannot be recovered', async () => {
    const small = { name: 'benchhist', allow_subscribe_for_client: true, history_size: 3, history_ttl: '60s' };
    const forgetful = await startServer({
      config: { workers: { count: 1 }, channel: { namespaces: [{ ...small, allow_recovery: true }] } },
    });
    stops.push(forgetful.stop);
    const result = await run('recover --rate 20 --channels 1 --missed 5', forgetful);
    expect(result).toMatchObject({ valid: false, void: expect.stringMatching(/recovered: false/) });
  });
});

describe('command line', () => {
  const main = (...args: string[]) =>
    promisify(execFile)(process.execPath, ['scripts/bench/generator/main.mjs', ...args]);

  test('one line of JSON on stdout, text on stderr', async () => {
    const line = `fanout --subscribers 2 --rate 20 --url ${server.url}`;
    const { stdout, stderr } = await main(...split(line), ...SHORT);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(checkResult(JSON.parse(stdout)).valid).toBe(true);
    expect(stderr).toMatch(/^fanout: Gyre/);
  });

  test('says what it cannot use', async () => {
    await expect(main('fanout', '--rate', 'fast')).rejects.toMatchObject({
      code: 2,
      stderr: /--rate must be a number/,
    });
    await expect(main('fanout', '--delta', 'fossil')).rejects.toMatchObject({
      code: 2,
      stderr: /takes --payload book/,
    });
    await expect(main('nothing')).rejects.toMatchObject({ code: 2, stderr: /name one scenario: fanout/ });
    await expect(main('fanout', '--url', 'http://127.0.0.1:1')).rejects.toMatchObject({
      code: 2,
      stderr: /ECONNREFUSED/,
    });
  });
});
