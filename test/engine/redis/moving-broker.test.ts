/** The order of things in {@link MovingBroker}, with shards that answer when the test says so. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Broker, FeedState, PublishOptions } from '../../../src/engine/engine.js';
import { channelMoved } from '../../../src/engine/redis/carry-over.js';
import { type Moves, MovingBroker } from '../../../src/engine/redis/moving-broker.js';
import { type ClientError, errors } from '../../../src/protocol/codes.js';
import { POSITION, publish, publishOptions, stored } from '../contract.js';
import { entry, texts } from '../entries.js';

/** Carries commands out in their order, as a connection does, whenever {@link step} is called. */
class Shard {
  readonly log: string[] = [];
  readonly streams = new Map<string, string[]>();
  readonly fenced = new Set<string>();
  readonly results = new Map<string, number>();
  readonly subscribed = new Set<string>();
  state: FeedState = 'up';
  away = false;
  readonly #queue: (() => void)[] = [];

  step(): boolean {
    const next = this.#queue.shift();
    next?.();
    return next !== undefined;
  }

  call<T>(run: () => T): Promise<T> {
    return new Promise((resolve, reject) =>
      this.#queue.push(() => {
        if (this.away) return reject(errors.internal);
        try {
          resolve(run());
        } catch (error) {
          reject(error);
        }
      }),
    );
  }

  #stream(channel: string): string[] {
    if (this.fenced.has(channel)) throw channelMoved;
    const stream = this.streams.get(channel) ?? [];
    this.streams.set(channel, stream);
    return stream;
  }

  readonly broker: Broker = {
    publish: (channel, bytes, { historySize, idempotencyKey }, reply) => {
      const text = texts(bytes)[0]!;
      this.call(() => {
        this.log.push(text);
        if (historySize === 0) return 0;
        const offset = this.#stream(channel).push(text);
        if (idempotencyKey !== '') this.results.set(idempotencyKey, offset);
        return offset;
      }).then(
        (offset) => reply.succeed(offset, 'E'),
        (error: ClientError) => reply.fail(error),
      );
    },
    history: (channel) =>
      this.call(() => ({ offset: this.#stream(channel).length, epoch: 'E', count: 0, entries: Buffer.alloc(0) })),
    resetEpoch: (channel) => this.call(() => void this.#stream(channel)),
    removeHistory: (channel) => this.call(() => void this.#stream(channel)),
    publishJoin: async (_channel, info) => void this.log.push(`join ${info}`),
    publishLeave: async (_channel, info) => void this.log.push(`leave ${info}`),
    subscribe: async (channel) => {
      if (this.away) throw errors.internal;
      this.subscribed.add(channel);
    },
    unsubscribe: (channel) => void this.subscribed.delete(channel),
    feed: () => this.state,
    close() {},
  };
}

/** Two shards that are shared by nodes; channels that start with `m` move from one to the other. */
class Cluster implements Moves {
  readonly old = new Shard();
  readonly fresh = new Shard();
  nowMs = 0;
  carried = 0;

  node(): MovingBroker {
    return new MovingBroker(this.old.broker, this.fresh.broker, this, () => this.nowMs);
  }

  isMoving(channel: string): boolean {
    return channel.startsWith('m');
  }

  whereIs(channel: string): Promise<'old' | 'moved'> {
    return this.old.call(() => (this.old.fenced.has(channel) ? 'moved' : 'old'));
  }

  async carryOver(channel: string): Promise<void> {
    this.carried++;
    const taken = await this.old.call(() => {
      this.old.fenced.add(channel);
      return this.old.streams.get(channel) ?? [];
    });
    await this.fresh.call(() => {
      if (!this.fresh.streams.has(channel)) this.fresh.streams.set(channel, [...taken]);
    });
  }

  resultOf(_channel: string, key: string): Promise<{ offset: number; epoch: string } | undefined> {
    return this.old.call(() => {
      const offset = this.old.results.get(key);
      return offset === undefined ? undefined : { offset, epoch: 'E' };
    });
  }

  /** Let everything happen. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      await new Promise(setImmediate);
      quiet = this.old.step() || this.fresh.step() ? 0 : quiet + 1;
    }
  }
}

const say = (broker: Broker, text: string, some: Partial<PublishOptions> = {}, channel = 'm') =>
  publish(broker, channel, entry(text), stored(some));

async function settled<T>(cluster: Cluster, promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  await cluster.settle();
  return promise;
}

test('what does not move is where it was', async () => {
  const cluster = new Cluster();
  const node = cluster.node();
  await settled(cluster, say(node, 'a', {}, 'fixed'));
  await node.subscribe('fixed');
  expect(cluster.fresh.streams.get('fixed')).toEqual(['a']);
  expect([...cluster.fresh.subscribed, ...cluster.old.subscribed]).toEqual(['fixed']);
});

test('the old shard is used until no node needs it, then the stream goes on at the new one', async () => {
  const cluster = new Cluster();
  const node = cluster.node();
  expect(await settled(cluster, say(node, 'a'))).toEqual({ offset: 1, epoch: 'E' });
  node.setOldNodesPresent(false);
  expect(await settled(cluster, say(node, 'b'))).toEqual({ offset: 2, epoch: 'E' });
  expect(await settled(cluster, Promise.resolve(node.history('m', POSITION, 0)))).toMatchObject({ offset: 2 });
  expect(cluster.old.streams.get('m')).toEqual(['a']);
  expect(cluster.fresh.streams.get('m')).toEqual(['a', 'b']);
  expect(cluster.carried).toBe(1);
});

test('a node that still uses the old shard follows those that do not', async () => {
  const cluster = new Cluster();
  const [ahead, behind] = [cluster.node(), cluster.node()];
  ahead.setOldNodesPresent(false);
  await settled(cluster, say(behind, 'a'));
  await settled(cluster, say(ahead, 'b'));
  expect(await settled(cluster, say(behind, 'c'))).toEqual({ offset: 3, epoch: 'E' });
  expect(await settled(cluster, Promise.resolve(behind.history('m', POSITION, 0)))).toMatchObject({ offset: 3 });
  expect(cluster.fresh.streams.get('m')).toEqual(['a', 'b', 'c']);
  expect(cluster.old.streams.get('m')).toEqual(['a']);
});

test('what meets the fence goes before what came later', async () => {
  const cluster = new Cluster();
  const node = cluster.node();
  await settled(cluster, say(node, 'a'));
  cluster.old.fenced.add('m');
  const answers = [say(node, 'b'), say(node, 'c')];
  cluster.old.step();
  await new Promise(setImmediate);
  answers.push(say(node, 'd'));
  await settled(cluster, Promise.all(answers));
  expect(cluster.fresh.streams.get('m')).toEqual(['a', 'b', 'c', 'd']);
});

test('whatever the schedule, publications of a node keep their order, and none is lost or comes twice', async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('say' as const), node: fc.nat({ max: 1 }) }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('old' as const, 'fresh' as const, 'wait' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('switch' as const), node: fc.nat({ max: 1 }) }) },
  );
  const property = fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
    const cluster = new Cluster();
    const nodes = [cluster.node(), cluster.node()];
    const sent: [string[], string[]] = [[], []];
    const answers: Promise<number>[] = [];
    for (const it of steps) {
      if (it.do === 'say') {
        const text = `${it.node}.${sent[it.node]!.length}`;
        sent[it.node]!.push(text);
        answers.push(say(nodes[it.node]!, text).then(({ offset }) => offset));
      } else if (it.do === 'switch') nodes[it.node]!.setOldNodesPresent(false);
      else if (it.do === 'wait') await new Promise(setImmediate);
      else cluster[it.do].step();
    }
    await cluster.settle();
    const offsets = await Promise.all(answers);
    const stream = cluster.fresh.streams.get('m') ?? cluster.old.streams.get('m') ?? [];
    expect(stream.filter((text) => text.startsWith('0'))).toEqual(sent[0]);
    expect(stream.filter((text) => text.startsWith('1'))).toEqual(sent[1]);
    expect([...offsets].sort((a, b) => a - b)).toEqual(stream.map((_, i) => i + 1));
  });
  await fc.assert(property, { seed: 7, numRuns: 500 });
});

describe('while a channel is carried over', () => {
  test('what waits fails with the shard, and can be tried again', async () => {
    const cluster = new Cluster();
    const node = cluster.node();
    node.setOldNodesPresent(false);
    cluster.fresh.away = true;
    const waiting = [say(node, 'a'), say(node, 'b'), Promise.resolve(node.history('m', POSITION, 0))];
    const outcomes = Promise.allSettled(waiting);
    await cluster.settle();
    expect(await outcomes).toEqual(waiting.map(() => ({ status: 'rejected', reason: errors.internal })));
    cluster.fresh.away = false;
    expect(await settled(cluster, say(node, 'c'))).toEqual({ offset: 1, epoch: 'E' });
  });

  test('only so much waits', async () => {
    const cluster = new Cluster();
    const node = cluster.node();
    const many = Promise.allSettled(Array.from({ length: 1100 }, (_, i) => say(node, String(i))));
    const large = Promise.allSettled(Array.from({ length: 100 }, () => say(node, 'x'.repeat(16_000), {}, 'm2')));
    await cluster.settle();
    const refused = { status: 'rejected', reason: errors.tooManyRequests };
    expect((await many).slice(0, 1000)).toContainEqual({ status: 'fulfilled', value: { offset: 1000, epoch: 'E' } });
    expect((await many).slice(1000)).toEqual(Array.from({ length: 100 }, () => refused));
    expect((await large).filter(({ status }) => status === 'rejected')).toEqual(
      Array.from({ length: 35 }, () => refused),
    );
  });
});

describe('idempotency', () => {
  test('holds across the move, for as long as results are kept', async () => {
    const cluster = new Cluster();
    const node = cluster.node();
    const key = { idempotencyKey: 'k', idempotencyTtlMs: 1000 };
    await settled(cluster, say(node, 'a', key));
    node.setOldNodesPresent(false);
    const [again, next] = [say(node, 'a', key), say(node, 'b')];
    expect(await settled(cluster, again)).toEqual({ offset: 1, epoch: 'E', suppressed: 'idempotency' });
    expect(await next).toEqual({ offset: 2, epoch: 'E' });
    cluster.nowMs = 1001;
    expect(await settled(cluster, say(node, 'c', key))).toEqual({ offset: 3, epoch: 'E' });
  });

  test('fails when the old shard cannot be asked', async () => {
    const cluster = new Cluster();
    const node = cluster.node();
    node.setOldNodesPresent(false);
    await settled(cluster, say(node, 'a'));
    cluster.old.away = true;
    const refused = say(node, 'b', { idempotencyKey: 'k' });
    await expect(settled(cluster, refused)).rejects.toBe(errors.internal);
    expect(await settled(cluster, say(node, 'c'))).toEqual({ offset: 2, epoch: 'E' });
  });
});

test('what is not stored goes to the shard that every node hears', async () => {
  const cluster = new Cluster();
  const node = cluster.node();
  const all = async (n: number) => {
    await settled(cluster, publish(node, 'm', entry(`pub ${n}`), publishOptions()));
    await node.publishJoin('m', Buffer.from(`${n}`));
    await node.publishLeave('m', Buffer.from(`${n}`));
  };
  await all(1);
  node.setOldNodesPresent(false);
  await all(2);
  expect(cluster.old.log).toEqual(['pub 1', 'join 1', 'leave 1']);
  expect(cluster.fresh.log).toEqual(['pub 2', 'join 2', 'leave 2']);
  expect(cluster.carried).toBe(0);
});

describe('subscriptions', () => {
  test('are at both shards, or at none', async () => {
    const cluster = new Cluster();
    const node = cluster.node();
    await node.subscribe('m');
    expect([cluster.old.subscribed.has('m'), cluster.fresh.subscribed.has('m')]).toEqual([true, true]);
    node.unsubscribe('m');
    expect([cluster.old.subscribed.has('m'), cluster.fresh.subscribed.has('m')]).toEqual([false, false]);
    cluster.old.away = true;
    await expect(node.subscribe('m')).rejects.toBe(errors.internal);
    expect(cluster.fresh.subscribed.has('m')).toBe(false);
  });

  test.each<[FeedState, FeedState, FeedState]>([
    ['up', 'up', 'up'],
    ['settling', 'up', 'settling'],
    ['up', 'settling', 'settling'],
    ['down', 'settling', 'down'],
    ['settling', 'down', 'down'],
  ])('old %s and new %s is %s', (before, now, both) => {
    const cluster = new Cluster();
    cluster.old.state = before;
    cluster.fresh.state = now;
    expect(cluster.node().feed('m')).toBe(both);
    expect(cluster.node().feed('fixed')).toBe(now);
  });
});
