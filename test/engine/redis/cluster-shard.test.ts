import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterOptions, Endpoint } from '../../../src/engine/redis/options.js';
import type { Reply, Script, Shard } from '../../../src/engine/redis/shard.js';
import { keySlot } from '../../../src/engine/redis/slots.js';
import { errors } from '../../../src/protocol/codes.js';
import { freePort } from '../../support/redis.js';
import { type ClusterNode, type RedisCluster, startRedisCluster } from '../../support/redis-cluster.js';
import { until } from '../../support/until.js';
import { SERVER, ShardRig, script } from './shard-rig.js';

const IO_TIMEOUT_MS = 1000;

let cluster: RedisCluster;
const opened: ShardRig[] = [];

beforeAll(async () => {
  cluster = await startRedisCluster({ replicas: true });
});
afterAll(() => cluster.stop());
afterEach(() => {
  for (const { shard } of opened.splice(0)) shard.close();
});

function open(seeds: readonly Endpoint[] = [cluster.masters[0]!]): ShardRig {
  const options: ClusterOptions = {
    kind: 'cluster',
    name: 'a',
    weight: 1,
    server: { ...SERVER, ioTimeoutMs: IO_TIMEOUT_MS },
    seeds: seeds.map(({ host, port }) => ({ host, port })),
  };
  const rig = new ShardRig(options);
  opened.push(rig);
  return rig;
}

async function healthy(seeds?: readonly Endpoint[]): Promise<ShardRig> {
  const rig = open(seeds);
  await rig.healthy();
  return rig;
}

const command = (shard: Shard, key: string, ...args: string[]): Promise<Reply> =>
  new Promise((reply, fail) => shard.command(key, args, { reply, fail }));

const runScript = (shard: Shard, lua: Script, keys: string[], args: string[]): Promise<Reply> =>
  new Promise((reply, fail) => shard.script(lua, keys, args, { reply, fail }));

/** Sets both keys, and tells what they were. */
const swap = script(
  'swap',
  `local old = {redis.call('get', KEYS[1]), redis.call('get', KEYS[2])}
   redis.call('set', KEYS[1], ARGV[1]) redis.call('set', KEYS[2], ARGV[2])
   return old`,
);

const append = script('append', `return redis.call('rpush', KEYS[1], ARGV[1])`);

/** A hash tag, different for each caller, whose slot a master has now. */
let tags = 0;
async function tagAt(node: ClusterNode): Promise<string> {
  for (;;) {
    const tag = `tag${tags++}`;
    if ((await cluster.ownerOf(keySlot(tag))) === node) return tag;
  }
}

const subscribersAt = async (node: ClusterNode, channel: string): Promise<number> =>
  ((await node.client.call('PUBSUB', 'NUMSUB', channel)) as [string, number])[1];

/** How often a server has answered with this error. */
async function errorsAt(node: ClusterNode, kind: string): Promise<number> {
  const stats = await node.client.info('errorstats');
  return Number(new RegExp(`errorstat_${kind}:count=(\\d+)`).exec(stats)?.[1] ?? 0);
}

/** Appends to lists, always with some commands under way, until it is told to stop. */
class Writer {
  readonly failures: unknown[] = [];
  readonly #sent = new Map<string, number>();
  #underWay = 0;
  #isStopping = false;

  constructor(
    private readonly shard: Shard,
    private readonly keys: readonly string[],
    concurrency: number,
  ) {
    for (let i = 0; i < concurrency; i++) this.#next();
  }

  #next(): void {
    const key = this.keys[Math.floor(Math.random() * this.keys.length)]!;
    const value = this.#sent.get(key) ?? 0;
    this.#sent.set(key, value + 1);
    this.#underWay++;
    const done = (): void => {
      this.#underWay--;
      if (!this.#isStopping) setImmediate(() => this.#next());
    };
    this.shard.command(key, ['RPUSH', key, String(value)], {
      reply: done,
      fail: (error) => {
        this.failures.push(error);
        done();
      },
    });
  }

  get total(): number {
    return [...this.#sent.values()].reduce((sum, sent) => sum + sent, 0);
  }

  /** Some more are written. */
  async goesOn(): Promise<void> {
    const target = this.total + 100;
    await until('writer goes on', () => this.total >= target);
  }

  /** Every command carried out once, and those of a key in their order. */
  async verify(): Promise<void> {
    this.#isStopping = true;
    await until('writer idle', () => this.#underWay === 0);
    expect(this.failures).toEqual([]);
    for (const [key, sent] of this.#sent) {
      const list = (await command(this.shard, key, 'LRANGE', key, '0', '-1')) as Buffer[];
      expect(list.map(Number)).toEqual(Array.from({ length: sent }, (_, i) => i));
    }
  }
}

describe('commands', () => {
  it('go to the master of their key', async () => {
    const { shard } = await healthy();
    const keys = Array.from({ length: 300 }, (_, i) => `spread${i}`);
    await Promise.all(keys.map((key) => command(shard, key, 'SET', key, `value of ${key}`)));
    expect((await Promise.all(keys.map((key) => command(shard, key, 'GET', key)))).map(String)).toEqual(
      keys.map((key) => `value of ${key}`),
    );
    for (const { client } of cluster.masters) expect(await client.dbsize()).toBeGreaterThan(50);
  });

  it('of scripts go by their first key', async () => {
    const { shard } = await healthy();
    for (const node of cluster.masters) {
      const tag = await tagAt(node);
      const keys = [`a{${tag}}`, `b{${tag}}`];
      expect(await runScript(shard, swap, keys, ['1', '2'])).toEqual([null, null]);
      expect((await runScript(shard, swap, keys, ['3', '4'])) as Buffer[]).toEqual([
        Buffer.from('1'),
        Buffer.from('2'),
      ]);
      expect(await node.client.get(keys[0]!)).toBe('3');
    }
  });

  it('fail with 100 when the server refuses them', async () => {
    const { shard } = await healthy();
    await command(shard, 'text', 'SET', 'text', 'x');
    await expect(command(shard, 'text', 'RPUSH', 'text', 'x')).rejects.toBe(errors.internal);
  });

  it('fail with 100 while no server is known', async () => {
    const { shard } = open();
    await expect(command(shard, 'a', 'GET', 'a')).rejects.toBe(errors.internal);
    await expect(shard.subscribe('a')).rejects.toBe(errors.internal);
  });
});

describe('a slot that moves', () => {
  it('loses, doubles and reorders no command', async () => {
    const { shard } = await healthy();
    const [from, to] = cluster.masters as [ClusterNode, ClusterNode];
    const tag = await tagAt(from);
    const slot = keySlot(tag);
    const writer = new Writer(
      shard,
      Array.from({ length: 40 }, (_, i) => `list${i}{${tag}}`),
      50,
    );
    await writer.goesOn();
    for (const [source, target] of [
      [from, to],
      [to, from],
    ] as const) {
      const asks = await errorsAt(source, 'ASK');
      const moves = await errorsAt(source, 'MOVED');
      await cluster.openSlot(slot, source, target);
      await writer.goesOn();
      await cluster.migrateKeys(slot, source, target);
      await writer.goesOn();
      expect(await errorsAt(source, 'ASK')).toBeGreaterThan(asks);
      await cluster.closeSlot(slot, source, target);
      await writer.goesOn();
      expect(await errorsAt(source, 'MOVED')).toBeGreaterThan(moves);
    }
    await writer.verify();
  });

  it('lets a script wait until its keys are together again', async () => {
    const { shard } = await healthy();
    const [from, to] = cluster.masters as [ClusterNode, ClusterNode];
    const tag = await tagAt(from);
    const slot = keySlot(tag);
    const keys = [`a{${tag}}`, `b{${tag}}`];
    await runScript(shard, swap, keys, ['1', '2']);
    const refusals = await errorsAt(from, 'TRYAGAIN');
    await cluster.openSlot(slot, from, to);
    await from.client.call('MIGRATE', to.host, to.port, keys[0]!, 0, 1000);
    const waiting = runScript(shard, swap, keys, ['3', '4']);
    const next = runScript(shard, swap, keys, ['5', '6']);
    await until('refused', async () => (await errorsAt(from, 'TRYAGAIN')) > refusals);
    await cluster.migrateKeys(slot, from, to);
    await cluster.closeSlot(slot, from, to);
    expect(String(await waiting)).toBe('1,2');
    expect(String(await next)).toBe('3,4');
  });

  it('takes a script that its new master does not know', async () => {
    const { shard } = await healthy();
    const [from, to] = cluster.masters as [ClusterNode, ClusterNode];
    const tag = await tagAt(from);
    const key = `list{${tag}}`;
    await cluster.openSlot(keySlot(tag), from, to);
    const lengths = ['a', 'b', 'c'].map((value) => runScript(shard, append, [key], [value]));
    expect(await Promise.all(lengths)).toEqual([1, 2, 3]);
    expect(await to.client.call('CLUSTER', 'COUNTKEYSINSLOT', keySlot(tag))).toBe(1);
    await cluster.closeSlot(keySlot(tag), from, to);
    expect(String(await command(shard, key, 'LRANGE', key, '0', '-1'))).toBe('a,b,c');
  });

  it('lets a script wait no longer than its deadline', async () => {
    const { shard } = await healthy();
    const [from, to] = cluster.masters as [ClusterNode, ClusterNode];
    const tag = await tagAt(from);
    const keys = [`a{${tag}}`, `b{${tag}}`];
    await runScript(shard, swap, keys, ['1', '2']);
    await cluster.openSlot(keySlot(tag), from, to);
    await from.client.call('MIGRATE', to.host, to.port, keys[0]!, 0, 1000);
    const started = performance.now();
    await expect(runScript(shard, swap, keys, ['3', '4'])).rejects.toBe(errors.internal);
    expect(performance.now() - started).toBeGreaterThanOrEqual(IO_TIMEOUT_MS);
    await cluster.migrateKeys(keySlot(tag), from, to);
    await cluster.closeSlot(keySlot(tag), from, to);
  });

  it('takes its subscriptions along', async () => {
    const rig = await healthy();
    const { shard } = rig;
    const [from, to] = cluster.masters as [ClusterNode, ClusterNode];
    const channel = `news{${await tagAt(from)}}`;
    await shard.subscribe(channel);
    expect(await subscribersAt(from, channel)).toBe(1);
    await from.client.publish(channel, 'before');
    await until('heard', () => rig.messages.length > 0);
    expect(rig.interrupted).toEqual([]);

    await cluster.moveSlot(keySlot(channel), to);
    await command(shard, channel, 'GET', channel);
    await until('interrupted', () => rig.interrupted.length > 0);
    await until('left', async () => (await subscribersAt(from, channel)) === 0);
    expect(await subscribersAt(to, channel)).toBe(1);
    await to.client.publish(channel, 'after');
    await until('heard', () => rig.messages.length > 1);
    expect(rig.messages).toEqual([`${channel} before`, `${channel} after`]);
    expect(rig.interrupted).toEqual([channel]);

    shard.unsubscribe(channel);
    await until('left', async () => (await subscribersAt(to, channel)) === 0);
  });
});

describe('seeds', () => {
  it('may be dead in part', async () => {
    const dead = { host: '127.0.0.1', port: await freePort() };
    const { shard } = await healthy([dead, cluster.replicas[2]!]);
    expect(await command(shard, 'seeded', 'SET', 'seeded', '1')).not.toBeNull();
  });
});

describe('a failover', () => {
  it('that is planned loses no command, and takes subscriptions along', async () => {
    const rig = await healthy();
    const { shard } = rig;
    const [master] = cluster.masters as [ClusterNode];
    const [replica] = cluster.replicas as [ClusterNode];
    const tag = await tagAt(master);
    const channel = `news{${tag}}`;
    await shard.subscribe(channel);
    const writer = new Writer(shard, [`list{${tag}}`], 20);
    await writer.goesOn();
    await cluster.failover(replica);
    await writer.goesOn();
    await until('interrupted', () => rig.interrupted.includes(channel));
    await until('left', async () => (await subscribersAt(master, channel)) === 0);
    expect(await subscribersAt(replica, channel)).toBe(1);
    await writer.verify();
    await rig.healthy();
  });

  it('after a death is followed without being asked', async () => {
    const rig = await healthy();
    const { shard } = rig;
    const [, master] = cluster.masters as [ClusterNode, ClusterNode];
    const [, replica] = cluster.replicas as [ClusterNode, ClusterNode];
    const channel = `news{${await tagAt(master)}}`;
    await shard.subscribe(channel);
    await master.kill();
    await rig.unhealthy();
    await until('interrupted', () => rig.interrupted.includes(channel));
    expect(await subscribersAt(replica, channel)).toBe(1);
    await rig.healthy();
    expect(await command(shard, channel, 'GET', channel)).toBeNull();
    await replica.client.publish(channel, 'after');
    await until('heard', () => rig.messages.length > 0);
    expect(rig.messages).toEqual([`${channel} after`]);
    await master.start();
    await cluster.agreed();
  });
});

describe('a master that hangs', () => {
  it('is left for its replica', async () => {
    const rig = await healthy();
    const { shard } = rig;
    // As the planned failover has left them.
    const [master] = cluster.replicas as [ClusterNode];
    const [replica] = cluster.masters as [ClusterNode];
    const channel = `news{${await tagAt(master)}}`;
    await shard.subscribe(channel);
    master.pause();
    await expect(command(shard, channel, 'GET', channel)).rejects.toBe(errors.internal);
    await until('interrupted', () => rig.interrupted.includes(channel));
    expect(await subscribersAt(replica, channel)).toBe(1);
    await rig.healthy();
    expect(await command(shard, channel, 'GET', channel)).toBeNull();
    master.resume();
    await cluster.agreed();
    await until('left', async () => (await subscribersAt(master, channel)) === 0);
    expect(rig.interrupted).toEqual([channel]);
  });
});

describe('a master that dies without a replica', () => {
  it('fails its own slots only, until it is back', async () => {
    const rig = await healthy();
    const { shard } = rig;
    const [, , master] = cluster.masters as [ClusterNode, ClusterNode, ClusterNode];
    const lost = `news{${await tagAt(master)}}`;
    const other = `news{${await tagAt(cluster.masters[0]!)}}`;
    await shard.subscribe(lost);
    await shard.subscribe(other);
    await cluster.replicas[2]!.kill();
    await master.kill();
    await rig.unhealthy();
    const started = performance.now();
    await expect(command(shard, lost, 'GET', lost)).rejects.toBe(errors.internal);
    await expect(shard.subscribe(`another ${lost}`)).rejects.toBe(errors.internal);
    expect(performance.now() - started).toBeLessThan(IO_TIMEOUT_MS);
    expect(await command(shard, other, 'GET', other)).toBeNull();

    await Promise.all([master.start(), cluster.replicas[2]!.start()]);
    await cluster.agreed();
    await rig.healthy();
    expect(await command(shard, lost, 'GET', lost)).toBeNull();
    await until('interrupted', () => rig.interrupted.includes(lost));
    await master.client.publish(lost, 'after');
    await until('heard', () => rig.messages.length > 0);
    expect(rig.messages).toEqual([`${lost} after`]);
    expect(rig.interrupted).toEqual([lost]);
  });
});
