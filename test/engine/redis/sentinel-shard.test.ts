import { afterEach, describe, expect, it } from 'vitest';
import type { LinkTuning } from '../../../src/engine/redis/server-link.js';
import { bulks, FakeRedis } from '../../support/fake-redis.js';
import { type RedisServer, startRedis, startSentinel } from '../../support/redis.js';
import { until } from '../../support/until.js';
import { SERVER, ShardRig, sentinel } from './shard-rig.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function closed<T extends { stop(): unknown }>(server: T): T {
  closing.push(() => server.stop());
  return server;
}

function open(...args: ConstructorParameters<typeof ShardRig>): ShardRig {
  const rig = new ShardRig(...args);
  closing.push(() => rig.shard.close());
  return rig;
}

describe('a Sentinel set', () => {
  it('whose master dies: commands and subscriptions go on with the next', async () => {
    const set = closed(await startSentinel());
    const rig = open(sentinel(set));
    await rig.healthy();
    await rig.shard.subscribe('c');
    await rig.call('SET', 'k', 'before');
    await set.killMaster();
    await until('interrupted', () => rig.interrupted.includes('c'));
    await rig.healthy();
    const master = await set.master();
    await rig.call('SET', 'k', 'after');
    expect(await master.client.get('k')).toBe('after');
    await master.client.publish('c', 'hello');
    await until('message', () => rig.messages.length > 0);
    expect(rig.messages).toEqual(['c hello']);
  });

  it('whose master is demoted but stays up: it is left', async () => {
    const set = closed(await startSentinel());
    const rig = open(sentinel(set));
    await rig.healthy();
    await rig.shard.subscribe('c');
    await set.promote();
    await until('interrupted', () => rig.interrupted.includes('c'));
    await rig.healthy();
    await rig.call('SET', 'k', 'after');
    expect(await (await set.master()).client.get('k')).toBe('after');
  });
});

/** A sentinel with an opinion. */
class Opinion {
  readonly server = new FakeRedis(([command]) => (command === 'SENTINEL' ? this.#master() : '+OK\r\n'));

  constructor(
    public master: { host: string; port: number },
    public epoch = 1,
  ) {}

  #master(): string {
    const { host, port } = this.master;
    return bulks('name', 'main', 'ip', host, 'port', String(port), 'config-epoch', String(this.epoch));
  }
}

async function opinions(...masters: [RedisServer, epoch: number][]): Promise<Opinion[]> {
  const all = masters.map(([master, epoch]) => new Opinion(master, epoch));
  for (const { server } of all) closed(await server.start());
  return all;
}

const openAmong = (all: readonly Opinion[], tuning?: Partial<LinkTuning>): ShardRig =>
  open(sentinel({ masterName: 'main', sentinels: all.map(({ server }) => server) }), tuning);

/** The port of the server that the shard talks to. */
async function port(rig: ShardRig): Promise<number> {
  const reply = (await rig.call('CONFIG', 'GET', 'port')) as Buffer[];
  return Number(reply[1]);
}

describe('sentinels', () => {
  it('that name another master: the old one is left although it says that it is a master', async () => {
    const [old, next] = [closed(await startRedis()), closed(await startRedis())];
    const [only] = await opinions([old, 1]);
    const rig = openAmong([only!]);
    await rig.healthy();
    await rig.shard.subscribe('c');
    expect(await port(rig)).toBe(old.port);
    only!.master = next;
    await until('interrupted', () => rig.interrupted.includes('c'));
    await rig.healthy();
    expect(await port(rig)).toBe(next.port);
  });

  it('that disagree: the highest epoch counts', async () => {
    const [old, next] = [closed(await startRedis()), closed(await startRedis())];
    const all = await opinions([old, 4], [next, 5], [old, 4]);
    const rig = openAmong(all);
    all[2]!.server.stop();
    await rig.healthy();
    expect(await port(rig)).toBe(next.port);
  });

  it('of which only one is alive', async () => {
    const master = closed(await startRedis());
    const all = await opinions([master, 1], [master, 1], [master, 1]);
    const rig = openAmong(all);
    all[0]!.server.stop();
    all[1]!.server.stop();
    await rig.healthy();
    expect(await port(rig)).toBe(master.port);
  });

  it('that know nothing: the shard says why, keeps the master it has, and finds one when they know again', async () => {
    const master = closed(await startRedis());
    const [only] = await opinions([master, 1]);
    const rig = openAmong([only!]);
    await rig.healthy();
    const { answer } = only!.server;
    only!.server.answer = () => '-ERR lost my memory\r\n';
    const asked = only!.server.commands.length;
    await until('asked in vain', () => only!.server.commands.length > asked + 3);
    expect(rig.shard.healthy).toBe(true);
    await master.kill();
    await until('said why', () =>
      rig.logged.some(({ level, reason }) => level >= 50 && `${reason}`.includes('memory')),
    );
    await master.start();
    only!.server.answer = answer;
    await rig.healthy();
  });

  it('that hang are asked again on another connection', async () => {
    const master = closed(await startRedis());
    const [only] = await opinions([master, 1]);
    const { answer } = only!.server;
    only!.server.answer = () => undefined;
    const options = sentinel({ masterName: 'main', sentinels: [only!.server] });
    const rig = open({ ...options, server: { ...SERVER, connectTimeoutMs: 200 } });
    await until('said', () => rig.logged.some(({ reason }) => /^sentinel .*(timed out|imeout)/.test(`${reason}`)));
    only!.server.answer = answer;
    await rig.healthy();
  });

  it('that name a replica: it is refused', async () => {
    const master = closed(await startRedis());
    const replica = closed(await startRedis({ args: ['--replicaof', master.host, String(master.port)] }));
    const rig = openAmong(await opinions([replica, 1]));
    await until('refused', () => rig.logged.some(({ reason }) => reason === 'the server is not a master'));
    expect(rig.shard.healthy).toBe(false);
  });

  it('that cannot be reached', async () => {
    const server = await new FakeRedis(() => undefined).start();
    const rig = open(sentinel({ masterName: 'main', sentinels: [server] }));
    server.stop();
    await until('said', () => rig.logged.some(({ reason }) => String(reason).includes('ECONNREFUSED')));
  });

  it('that want a password', async () => {
    const server = closed(await startRedis({ args: ['--requirepass', 's3cret'] }));
    const options = { ...sentinel({ masterName: 'main', sentinels: [server] }), sentinelPassword: 'wr0ng' };
    const rig = open(options);
    await until('said', () => rig.logged.some(({ reason }) => String(reason).includes('WRONGPASS')));
    expect(JSON.stringify(rig.logged)).not.toContain('wr0ng');
  });

  it('that do not know the master', async () => {
    const server = closed(await new FakeRedis(() => '-ERR No such master with that name\r\n').start());
    const rig = open(sentinel({ masterName: 'main', sentinels: [server] }));
    const reason = `sentinel ${server.host}:${server.port}: ERR No such master with that name`;
    await until('said', () => rig.logged.some((line) => line.level >= 50 && line.reason === reason));
  });
});

it('a master that refuses to write because it was demoted is left at once', async () => {
  const [master, other] = [closed(await startRedis()), closed(await startRedis())];
  const [only] = await opinions([master, 1]);
  const rig = openAmong([only!], { canaryIntervalMs: 60_000 });
  await rig.healthy();
  await master.client.call('REPLICAOF', other.host, String(other.port));
  expect(await rig.codeOf(rig.call('SET', 'k', 'v'))).toBe(100);
  expect(rig.shard.healthy).toBe(false);
  await master.client.call('REPLICAOF', 'NO', 'ONE');
  await rig.healthy();
});

it('a master that is demoted is left even while the sentinels still name it', async () => {
  const [master, other] = [closed(await startRedis()), closed(await startRedis())];
  const [only] = await opinions([master, 1]);
  const rig = openAmong([only!]);
  await rig.healthy();
  await master.client.call('REPLICAOF', other.host, String(other.port));
  await rig.unhealthy();
  expect(await rig.codeOf(rig.call('SET', 'k', 'v'))).toBe(100);
  await master.client.call('REPLICAOF', 'NO', 'ONE');
  await rig.healthy();
});
