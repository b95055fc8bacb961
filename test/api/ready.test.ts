import { expect, test } from 'vitest';
import { answerHealth, readyRoute } from '../../src/api/ready.js';
import type { ShardHealth } from '../../src/engine/engine.js';
import { FakeThreads } from '../support/fake-asks.js';

const shards = (...healthy: boolean[]): ShardHealth[] => healthy.map((is, i) => ({ name: `shard ${i}`, healthy: is }));

/** What each worker and main say of their shards. */
async function ready(workers: ShardHealth[][], main: ShardHealth[], silent: number[] = []) {
  const threads = new FakeThreads(workers.length);
  for (const [slot, health] of workers.entries()) answerHealth(threads.asks[slot]!, () => health);
  answerHealth(threads.main, () => main);
  for (const slot of silent) threads.dead.add(slot);
  const route = readyRoute('/health/ready', threads.asks[0]!);
  const request = {
    method: 'get',
    path: route.path,
    query: '',
    body: Buffer.alloc(0),
    header: () => '',
  };
  const { status, headers, body } = (await route.handle(request, () => {}))!;
  expect(headers).toEqual({ 'Content-Type': 'application/json' });
  return { status, body: JSON.parse(String(body)) as unknown };
}

test('a node is ready when all its shards are healthy, or there are none', async () => {
  expect(await ready([[], []], [])).toEqual({ status: 200, body: {} });
  expect(await ready([shards(true, true), shards(true, true), []], shards(true, true))).toEqual({
    status: 200,
    body: {},
  });
});

test('a node that is not says what is wrong', async () => {
  expect(await ready([shards(true, false), shards(true, false)], shards(true))).toEqual({
    status: 503,
    body: { engine: ['shard 1'] },
  });
  expect(await ready([shards(true), shards(true)], shards(false))).toEqual({
    status: 503,
    body: { controller: ['shard 0'] },
  });
  expect(await ready([shards(true), shards(false)], shards(true), [0])).toEqual({
    status: 503,
    body: { engine: ['shard 0'], silent: ['0'] },
  });
  expect(await ready([[]], [], [1])).toEqual({ status: 503, body: { silent: ['main'] } });
});
