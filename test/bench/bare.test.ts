/** The floor of the library answers so that runs against it are valid. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chooseGenerator, generate } from '../../scripts/bench/lib/generators.mjs';
import { checkResult } from '../../scripts/bench/lib/result.mjs';
import { startServer } from '../../scripts/bench/lib/servers.mjs';

let server: Awaited<ReturnType<typeof startServer>>;

beforeAll(async () => {
  server = await startServer({ target: 'node scripts/bench/bare.mjs {port} {config}' });
});
afterAll(() => server.stop());

test.each([
  ['fanout', '--subscribers', '3', '--rate', '40'],
  ['channels', '--subscribers', '4', '--channels', '2', '--rate', '40', '--api', 'broadcast'],
  ['publish', '--api', 'batch', '--batch', '5', '--rate', '50'],
  ['connect', '--rate', '20'],
  ['recover', '--missed', '30', '--rate', '20'],
  ['idle', '--subscribers', '7'],
])('%s', async (...args) => {
  const tiny = ['--seconds', '0.3', '--warmup', '0.1'];
  const result = await generate(chooseGenerator('javascript'), [...args, ...tiny], server, 1);
  const { counts } = checkResult(result);
  expect(result).toMatchObject({ void: null, server: { software: 'unknown', version: 'bare' } });
  expect(counts.operations).toBeGreaterThan(0);
}, 30_000);
