/**
 * Two nodes publish and deliver while the Redis shards that they share, and the network to them, fail in all ways. Nobody
 * misses a publication without being told, nobody is told two things of one offset.
 *
 * `GYRE_CHAOS_SEED` and `GYRE_CHAOS_ROUNDS` make another and a longer run.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { StreamPosition } from '../../src/protocol/messages.js';
import { Random } from '../support/cluster.js';
import { Ledger, Reader } from '../support/ledger.js';
import { faultsOf, type Shards, startShards } from '../support/redis-faults.js';
import { json, newClient, protobuf } from '../support/sdk.js';
import { startServer, type TestServer } from '../support/server.js';
import { until } from '../support/until.js';

const SEED = Number(process.env.GYRE_CHAOS_SEED ?? 2284);
const ROUNDS = Number(process.env.GYRE_CHAOS_ROUNDS ?? 4);
const TIMEOUT_MS = 30_000 + ROUNDS * 20_000;

const CHANNELS = ['plain', 'delta'].flatMap((name) => Array.from({ length: 6 }, (_, i) => `${name}:${i}`));
const CLIENTS = 8;
const PACE_MS = 40;
const END_TIMEOUT_MS = 18_000;

function startNode(shards: Shards, name: string): Promise<TestServer> {
  const { replicated, lastingNetwork, forgetfulNetwork } = shards;
  const [first, ...others] = replicated.sentinels.map(({ host, port }) => `${host}:${port}`);
  const sentinels = others.map((address) => `&addr=${address}`).join('');
  const recoverable = {
    allow_subscribe_for_client: true,
    history_size: 100_000,
    history_ttl: '10m',
    force_recovery: true,
  };
  return startServer({
    node: { name },
    engine: {
      type: 'redis',
      redis: {
        address: [
          `${lastingNetwork.url}?shard_name=lasting`,
          `${forgetfulNetwork.url}?shard_name=forgetful`,
          `redis+sentinel://${first}?sentinel_master_name=${replicated.masterName}&shard_name=replicated${sentinels}`,
        ],
        io_timeout: '1s',
        connect_timeout: '1s',
      },
    },
    client: { recovery_max_publication_limit: 100_000 },
    channel: {
      namespaces: [
        { name: 'plain', ...recoverable },
        { name: 'delta', ...recoverable, allowed_delta_types: ['fossil'], delta_publish: true },
      ],
    },
  });
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const rest = [...items];
  return items.map(() => rest.splice(random.below(rest.length), 1)[0]!);
}

/** Publishes to its channel through any node, every time until it is acknowledged or told to stop. */
class Publisher {
  acknowledged = 0;
  #count = 0;

  constructor(
    private readonly name: string,
    readonly channel: string,
    private readonly nodes: readonly TestServer[],
    private readonly ledger: Ledger,
    private readonly random: Random,
  ) {}

  async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await this.publish(stop);
      await sleep(PACE_MS);
    }
  }

  async publish(stop?: AbortSignal): Promise<StreamPosition | undefined> {
    const id = `${this.channel}#${this.name}${this.#count++}`;
    const body = { channel: this.channel, data: { id, text: 'the same in all, '.repeat(8) }, idempotency_key: id };
    while (!stop?.aborted) {
      const { result } = await this.random.pick(this.nodes).call('publish', body);
      if (result !== undefined) {
        const position = result as StreamPosition;
        this.ledger.record('publisher', this.channel, position, id);
        this.acknowledged++;
        return position;
      }
      await sleep(PACE_MS);
    }
    return undefined;
  }
}

const isReady = async (node: TestServer): Promise<boolean> =>
  (await node.request('GET', '/health/ready')).status === 200;

const allReady = (nodes: readonly TestServer[]): Promise<void> =>
  until('nodes are ready', async () => (await Promise.all(nodes.map(isReady))).every(Boolean));

/** What history shows of the stream is told by other witnesses too. */
async function recordHistory(node: TestServer, channel: string, ledger: Ledger): Promise<void> {
  interface Kept {
    readonly epoch: string;
    readonly publications: readonly { readonly data: { readonly id: string }; readonly offset: number }[];
  }
  const { epoch, publications } = await node.api<Kept>('history', { channel, limit: -1 });
  for (const { data, offset } of publications) ledger.record('history', channel, { offset, epoch }, data.id);
}

test(`no silent loss, no contradiction (seed ${SEED}, ${ROUNDS} rounds)`, { timeout: TIMEOUT_MS }, async () => {
  const shards = await startShards();
  const nodes = await Promise.all([startNode(shards, 'one'), startNode(shards, 'two')]);
  onTestFinished(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  });
  await allReady(nodes);

  const ledger = new Ledger();
  const clients = Array.from({ length: CLIENTS }, (_, i) =>
    newClient(nodes[i % nodes.length]!, i & 2 ? json : protobuf, `user${i}`),
  );
  const readers = clients.flatMap((client, i) =>
    CHANNELS.map((channel) => new Reader(client, channel, ledger, i & 4 ? {} : { delta: 'fossil' })),
  );
  await Promise.all(clients.map((client) => client.connect()));
  const publishers = CHANNELS.flatMap((channel, i) =>
    ['a', 'b'].map((name) => new Publisher(name, channel, nodes, ledger, new Random(SEED + i))),
  );
  const stop = new AbortController();
  const load = Promise.all(publishers.map((publisher) => publisher.run(stop.signal)));
  const stopLoad = async (): Promise<void> => {
    stop.abort();
    await load;
  };
  onTestFinished(stopLoad);

  // Two of them: which faults there are does not depend on what happens.
  const random = new Random(SEED);
  const faults = faultsOf(shards, clients, new Random(SEED + 1));
  for (let round = 0; round < ROUNDS; round++) {
    const [first, ...others] = shuffled(Object.values(faults), random);
    await Promise.all([first!, others[0]!].map((choice) => random.pick(Object.values(choice))()));
    await allReady(nodes);
    const counts = publishers.map(({ acknowledged }) => acknowledged);
    await until('all publishers go on', () => publishers.every(({ acknowledged }, i) => acknowledged > counts[i]!));
  }
  await stopLoad();

  for (const publisher of publishers) {
    const { channel } = publisher;
    const end = (await publisher.publish())!;
    const behind = () => readers.filter((reader) => reader.channel === channel && !reader.isAt(end)).map(String);
    await expect.poll(behind, { message: `not at ${end.offset} of ${end.epoch}`, timeout: END_TIMEOUT_MS }).toEqual([]);
    await Promise.all(nodes.map((node) => recordHistory(node, channel, ledger)));
  }
  expect(ledger.contradictions).toEqual([]);
  // Where nothing was lost nobody is told so.
  const lasting = new Set(await shards.lasting.client.keys('*'));
  expect(lasting.size).toBeGreaterThan(0);
  const told = readers.filter(({ channel, resets }) => resets > 0 && lasting.has(`centrifugo.stream.meta.${channel}`));
  expect(told.map(String)).toEqual([]);
});
