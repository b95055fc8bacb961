/** Nodes with different lists of shards, on real servers. A node here is one owner worker: an engine with subscribers. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Follower, type FollowerHost } from '../../../src/channels/follower.js';
import { OwnedChannel } from '../../../src/channels/owned-channel.js';
import type { BrokerSink } from '../../../src/engine/engine.js';
import { encodeClientInfo } from '../../../src/protocol/client-info.js';
import { errors } from '../../../src/protocol/codes.js';
import { entryOffset } from '../../../src/protocol/entry.js';
import type { Bytes } from '../../../src/protocol/messages.js';
import { type RedisServer, startRedis } from '../../support/redis.js';
import { until } from '../../support/until.js';
import { ALL, POSITION, publish, publishOptions, stored } from '../contract.js';
import { entry, texts } from '../entries.js';
import { openEngine } from './engine-rig.js';

let servers: RedisServer[];
const nodes: Node[] = [];
const channels = Array.from({ length: 40 }, (_, i) => `room:${i}`);

beforeAll(async () => {
  servers = await Promise.all(Array.from({ length: 4 }, () => startRedis()));
});

afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()));
});

beforeEach(async () => {
  await Promise.all(servers.map((server) => server.client.flushall()));
});

afterEach(() => {
  for (const node of nodes.splice(0)) node.stop();
});

/** Addresses of the first `count` servers. */
const first = (count: number): string[] => servers.slice(0, count).map(({ url }) => url);

/** The feed of one channel as its subscribers see it. */
class Subscriber implements FollowerHost {
  readonly got: string[] = [];
  losses = 0;
  readonly recoveryMaxPublications = 1000;
  readonly follower: Follower;

  constructor(
    private readonly node: Node,
    name: string,
  ) {
    this.follower = new Follower(this, new OwnedChannel(name));
  }

  deliver(_channel: OwnedChannel, bytes: Bytes): void {
    this.got.push(`${entryOffset(bytes)} ${texts(bytes)[0]}`);
  }

  lose(): void {
    this.losses++;
  }

  read: FollowerHost['read'] = (channel, filter, done, failed) => {
    Promise.resolve(this.node.broker.history(channel.name, filter, 60_000)).then(done, failed);
  };

  resetEpoch(): void {
    this.losses++;
  }

  later(ms: number, run: () => void): void {
    this.node.later(ms, run);
  }
}

type Engine = Awaited<ReturnType<typeof openEngine>>;

class Node implements BrokerSink {
  readonly subscribers = new Map<string, Subscriber>();
  readonly passed: string[] = [];
  engine!: Engine['engine'];
  broker!: Engine['broker'];
  presence!: Engine['presence'];
  readonly #timers = new Set<NodeJS.Timeout>();

  static async open(address: string[], rest: object = {}): Promise<Node> {
    const node = new Node();
    Object.assign(node, await openEngine({ address, ...rest }, node));
    nodes.push(node);
    await node.up();
    return node;
  }

  /** Resolves when publications are taken. */
  up(): Promise<void> {
    return until('up', () => channels.every((channel) => this.broker.feed(channel) === 'up'));
  }

  async subscribe(channel: string): Promise<Subscriber> {
    const subscriber = new Subscriber(this, channel);
    this.subscribers.set(channel, subscriber);
    await this.broker.subscribe(channel);
    const { follower } = subscriber;
    const generation = follower.reading();
    const position = await this.broker.history(channel, POSITION, 60_000);
    await new Promise<void>((resolve, reject) =>
      follower.arrived(generation, position, { join: () => resolve(), again: () => reject(new Error('read again')) }),
    );
    return subscriber;
  }

  /** @returns the offset. */
  async say(channel: string, text: string): Promise<number> {
    return (await publish(this.broker, channel, entry(text), stored({ historySize: 1000 }))).offset;
  }

  later(ms: number, run: () => void): void {
    this.#timers.add(setTimeout(run, ms));
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.engine.close();
  }

  publication(channel: string, bytes: Bytes, epoch: string): void {
    if (entryOffset(bytes) > 0) this.subscribers.get(channel)?.follower.publication(bytes, epoch);
    else this.passed.push(texts(bytes)[0]!);
  }

  join(_channel: string, info: Bytes): void {
    this.passed.push(`join ${Buffer.from(info)}`);
  }

  leave(): void {}

  interrupted(channel: string): void {
    this.subscribers.get(channel)?.follower.interrupted();
  }
}

async function streamsAt(server: RedisServer, kind = 'stream'): Promise<string[]> {
  const keys = await server.client.keys(`centrifugo.${kind}.room:*`);
  return keys.map((key) => key.slice(`centrifugo.${kind}.`.length));
}

async function positions(node: Node): Promise<Map<string, string>> {
  const read = channels.map(async (channel) => {
    const { offset, epoch, entries } = await node.broker.history(channel, ALL, 60_000);
    return [channel, `${offset} ${epoch} ${texts(entries)}`] as const;
  });
  return new Map(await Promise.all(read));
}

test.each([
  ['streams', {}],
  ['lists', { history_use_lists: true }],
])('a fourth shard is added to three: positions and history go on (%s)', async (kind, options) => {
  const key = kind === 'lists' ? 'list' : 'stream';
  const old = await Node.open(first(3), options);
  for (const text of ['a', 'b']) await Promise.all(channels.map((channel) => old.say(channel, text)));
  const before = await positions(old);

  const node = await Node.open(first(4), { previous_address: first(3), ...options });
  expect(await positions(node)).toEqual(before);
  expect(await Promise.all(channels.map((channel) => node.say(channel, 'c')))).toEqual(channels.map(() => 3));
  expect(await streamsAt(servers[3]!, key)).toEqual([]);

  old.stop();
  node.engine.setOldNodesPresent(false);
  expect(await Promise.all(channels.map((channel) => node.say(channel, 'd')))).toEqual(channels.map(() => 4));
  const after = await positions(node);
  for (const channel of channels) {
    const [, epoch] = before.get(channel)!.split(' ');
    expect(after.get(channel)).toBe(`4 ${epoch} a,b,c,d`);
  }
  // Those that moved are at the fourth alone, the others where they were.
  const places = await Promise.all(servers.map((server) => streamsAt(server, key)));
  expect(places.flat().sort()).toEqual([...channels].sort());
  expect(places[3]!.length).toBeGreaterThan(2);
  expect(places[3]!.length).toBeLessThan(20);

  // Without the former list the node finds everything too.
  const next = await Node.open(first(4), options);
  expect(await positions(next)).toEqual(after);
});

test('while nodes are replaced one by one nobody misses a publication, or gets one twice or out of order', async () => {
  const old = await Node.open(first(3));
  const [one, two] = [
    await Node.open(first(4), { previous_address: first(3) }),
    await Node.open(first(4), { previous_address: first(3) }),
  ];
  const all = [old, one, two];
  for (const node of all) await Promise.all(channels.map((channel) => node.subscribe(channel)));

  let sent = 0;
  /** Everybody publishes at once, some of it in one turn. */
  const round = (publishers: Node[]): Promise<unknown> => {
    sent += 3 * publishers.length;
    const texts = [0, 1, 2].flatMap((i) => publishers.map((node) => [node, `${nodes.indexOf(node)}.${i}`] as const));
    return Promise.all(channels.flatMap((channel) => texts.map(([node, text]) => node.say(channel, text))));
  };
  const heard = (node: Node) =>
    until('everything is heard', () => channels.every((channel) => node.subscribers.get(channel)!.got.length >= sent));

  await round(all);
  await round(all);
  await Promise.all(all.map(heard));
  old.stop();
  // They do not notice at the same time.
  one.engine.setOldNodesPresent(false);
  await Promise.all([round([one, two]), round([two, one])]);
  two.engine.setOldNodesPresent(false);
  await Promise.all([round([one, two]), round([one, two])]);
  await Promise.all([one, two].map(heard));

  const offsets = Array.from({ length: sent }, (_, i) => i + 1);
  for (const channel of channels) {
    const [first, second] = [one, two].map((node) => node.subscribers.get(channel)!);
    expect(first!.got.map((it) => Number(it.split(' ')[0]))).toEqual(offsets);
    expect(second!.got).toEqual(first!.got);
    expect([first!.losses, second!.losses]).toEqual([0, 0]);
    expect(old.subscribers.get(channel)!.got).toEqual(first!.got.slice(0, 18));
    // Each publisher's are in its order.
    const ofOne = first!.got.map((it) => it.split(' ')[1]!).filter((text) => text.startsWith('1.'));
    expect(ofOne.slice(0, 6)).toEqual(['1.0', '1.1', '1.2', '1.0', '1.1', '1.2']);
  }
});

test('what is not stored is heard by nodes of both lists, and then by all', async () => {
  const old = await Node.open(first(1));
  const node = await Node.open(first(2), { previous_address: first(1) });
  for (const channel of channels) await Promise.all([old, node].map((it) => it.broker.subscribe(channel)));
  const tell = async (from: Node, text: string): Promise<void> => {
    await Promise.all(channels.map((channel) => publish(from.broker, channel, entry(text), publishOptions())));
    const info = encodeClientInfo({ user: text, client: '', connInfo: undefined, chanInfo: undefined });
    await Promise.all(channels.map((channel) => from.broker.publishJoin(channel, info)));
  };
  const heard = (it: Node, text: string) =>
    until(text, () => it.passed.filter((its) => its.endsWith(text)).length === 2 * channels.length);
  await tell(old, 'of old');
  await tell(node, 'of new');
  for (const it of [old, node]) for (const text of ['of old', 'of new']) await heard(it, text);
  node.engine.setOldNodesPresent(false);
  await tell(node, 'alone');
  await heard(node, 'alone');
  expect(node.passed).toHaveLength(6 * channels.length);
});

test('a node that knows only the old list is refused where a channel has moved', async () => {
  const old = await Node.open(first(1));
  const node = await Node.open([servers[1]!.url], { previous_address: first(1) });
  await old.say('room:1', 'a');
  node.engine.setOldNodesPresent(false);
  await node.say('room:1', 'b');
  await expect(old.say('room:1', 'c')).rejects.toMatchObject({ code: errors.internal.code });
  await expect(old.broker.history('room:1', ALL, 60_000)).rejects.toMatchObject({ code: errors.internal.code });
  await expect(old.broker.removeHistory('room:1')).rejects.toMatchObject({ code: errors.internal.code });
  expect(texts((await node.broker.history('room:1', ALL, 60_000)).entries)).toEqual(['a', 'b']);
});

test('a shard that is away keeps nothing from being carried over later', async () => {
  const node = await Node.open(first(4), { previous_address: first(3) });
  await Promise.all(channels.map((channel) => node.say(channel, 'a')));
  const before = await positions(node);
  await servers[3]!.kill();
  node.engine.setOldNodesPresent(false);
  const outcomes = await Promise.allSettled(channels.map((channel) => node.say(channel, 'b')));
  const failed = channels.filter((_, i) => outcomes[i]!.status === 'rejected');
  expect(failed.length).toBeGreaterThan(2);
  expect(failed.length).toBeLessThan(20);

  await servers[3]!.start();
  await node.up();
  expect(await Promise.all(failed.map((channel) => node.say(channel, 'b')))).toEqual(failed.map(() => 2));
  const after = await positions(node);
  for (const channel of channels) {
    const [, epoch] = before.get(channel)!.split(' ');
    expect(after.get(channel)).toBe(`2 ${epoch} a,b`);
  }
});

test('without the former list a channel that moves starts anew, and says so', async () => {
  const old = await Node.open(first(1));
  await old.say('room:1', 'a');
  const { epoch } = await old.broker.history('room:1', POSITION, 60_000);
  const node = await Node.open([servers[1]!.url]);
  const position = await node.broker.history('room:1', POSITION, 60_000);
  expect(position.offset).toBe(0);
  expect(position.epoch).not.toBe(epoch);
});

test('from jump to the ring, and back again', async () => {
  const jump = await Node.open(first(4), { sharding: 'jump' });
  await Promise.all(channels.map((channel) => jump.say(channel, 'a')));
  const before = await positions(jump);
  const ring = await Node.open(first(4), { previous_address: first(4), previous_sharding: 'jump' });
  ring.engine.setOldNodesPresent(false);
  expect(await positions(ring)).toEqual(before);
  const options = { sharding: 'jump', previous_address: first(4), previous_sharding: 'ring' };
  const again = await Node.open(first(4), options);
  again.engine.setOldNodesPresent(false);
  expect(await positions(again)).toEqual(before);
  expect(await Promise.all(channels.map((channel) => again.say(channel, 'b')))).toEqual(channels.map(() => 2));
  // As Centrifugo, or an old node, finds it.
  const last = await Node.open(first(4), { sharding: 'jump' });
  expect(await positions(last)).toEqual(await positions(again));
});

test('everybody is present, during the move and after it', async () => {
  const old = await Node.open(first(1));
  const node = await Node.open([servers[1]!.url], { previous_address: first(1) });
  const info = Buffer.from([0x0a, 1, 0x75]);
  await old.presence.add('room:1', 'of old', 'u', info, 60_000);
  await node.presence.add('room:1', 'of new', 'u', info, 60_000);
  for (const it of [old, node])
    expect([...(await it.presence.presence('room:1')).keys()].sort()).toEqual(['of new', 'of old']);
  node.engine.setOldNodesPresent(false);
  expect([...(await node.presence.presence('room:1')).keys()]).toEqual(['of new']);
  await node.presence.remove('room:1', 'of new', 'u');
  expect((await node.presence.presence('room:1')).size).toBe(0);
  expect([...(await old.presence.presence('room:1')).keys()]).toEqual(['of old']);
});
