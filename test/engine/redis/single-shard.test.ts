import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Reply } from '../../../src/engine/redis/shard.js';
import { writeCommand } from '../../../src/lib/resp-command.js';
import { type ClientError, errors } from '../../../src/protocol/codes.js';
import { type RedisServer, type RedisSettings, startRedis } from '../../support/redis.js';
import { until } from '../../support/until.js';
import { type SERVER, ShardRig, script, standalone } from './shard-rig.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(settings: RedisSettings = {}): Promise<RedisServer> {
  const redis = await startRedis(settings);
  closing.push(() => redis.stop());
  return redis;
}

function open(...args: ConstructorParameters<typeof ShardRig>): ShardRig {
  const rig = new ShardRig(...args);
  closing.push(() => rig.shard.close());
  return rig;
}

type Options = { server?: Partial<typeof SERVER>; tuning?: ConstructorParameters<typeof ShardRig>[1] };

async function opened(redis: RedisServer, { server, tuning }: Options = {}): Promise<ShardRig> {
  const rig = open(standalone(redis, server), tuning);
  await rig.healthy();
  return rig;
}

/** So long that it plays no part. */
const NO_CANARY = { canaryIntervalMs: 60_000 };

const incr = script('incr', `return redis.call('incr', KEYS[1])`);
const push = script('push', `return redis.call('rpush', KEYS[1], ARGV[1])`);

describe('commands', () => {
  it('are answered in order, with replies of every type', async () => {
    const rig = await opened(await start());
    const replies = await Promise.all([
      rig.call('SET', 'k', Buffer.from([0, 13, 10, 255])),
      rig.call('GET', 'k'),
      rig.call('GET', 'none'),
      rig.call('INCR', 'n'),
      rig.call('RPUSH', 'list', 'ä', 'b'),
      rig.call('LRANGE', 'list', '0', '-1'),
    ]);
    expect(replies).toEqual(['OK', Buffer.from([0, 13, 10, 255]), null, 1, 2, [Buffer.from('ä'), Buffer.from('b')]]);
  });

  it('of one turn leave in one write', async () => {
    const rig = await opened(await start(), { tuning: NO_CANARY });
    const write = vi.spyOn(Socket.prototype, 'write');
    closing.push(() => write.mockRestore());
    await Promise.all(Array.from({ length: 100 }, () => rig.call('INCR', 'n')));
    expect(write).toHaveBeenCalledTimes(1);
    expect(await rig.call('GET', 'n')).toEqual(Buffer.from('100'));
  });

  it('copy what they are given', async () => {
    const rig = await opened(await start());
    const value = Buffer.from('abc');
    const set = rig.call('SET', 'k', value);
    value.fill(0);
    await set;
    expect(await rig.call('GET', 'k')).toEqual(Buffer.from('abc'));
  });

  it('stand in memory that serves others only when the server has them', async () => {
    const redis = await start();
    const rig = await opened(redis, { tuning: NO_CANARY });
    const textOf = (i: number): string => String.fromCharCode(97 + i).repeat(900 << 10);
    const numbers = Array.from({ length: 24 }, (_, i) => i);
    // More than the system takes while nobody reads. One is answered before, so that there is memory to be used again.
    await rig.call('SET', 'k', textOf(0));
    redis.pause();
    const calls: Promise<unknown>[] = [];
    for (const i of numbers) {
      calls.push(rig.call('SET', `k${i}`, textOf(i)));
      await new Promise(setImmediate);
    }
    redis.resume();
    await Promise.all(calls);
    for (const i of numbers) expect(String(await rig.call('GET', `k${i}`)) === textOf(i)).toBe(true);
  });

  it('replies of many megabytes', async () => {
    const rig = await opened(await start());
    const value = Buffer.alloc(20 << 20, 'x');
    await rig.call('SET', 'k', value);
    expect(value.equals((await rig.call('GET', 'k')) as Buffer)).toBe(true);
  });

  it('that the server refuses fail with 100, and its text is logged without what was sent', async () => {
    const rig = await opened(await start());
    expect(await rig.codeOf(rig.call('NOSUCH', 'payload'))).toBe(100);
    expect(rig.logged.map(({ error }) => error)).toContain("ERR unknown command 'NOSUCH'");
    expect(JSON.stringify(rig.logged)).not.toContain('payload');
  });

  it('that write fail with 100 when the memory of the server is full, and work again when it is not', async () => {
    const redis = await start({ args: ['--maxmemory', '1', '--maxmemory-policy', 'noeviction'] });
    const rig = await opened(redis);
    expect(await rig.codeOf(rig.call('SET', 'k', 'v'))).toBe(100);
    expect(await rig.codeOf(rig.run(push, ['list'], ['a']))).toBe(100);
    expect(rig.shard.healthy).toBe(true);
    await redis.client.config('SET', 'maxmemory', '0');
    expect(await rig.codeOf(rig.call('SET', 'k', 'v'))).toBe(0);
  });

  it('beyond the bound on their number fail with 111 at once, unsent', async () => {
    const redis = await start();
    const rig = await opened(redis, { tuning: { ...NO_CANARY, pendingMaxCommands: 3 } });
    const codes = await Promise.all(Array.from({ length: 5 }, () => rig.codeOf(rig.call('INCR', 'n'))));
    expect(codes).toEqual([0, 0, 0, 111, 111]);
    expect(await rig.call('INCR', 'n')).toBe(4);
  });

  it('of one handler are answered, refused and counted one by one, in order', async () => {
    const redis = await start();
    const rig = await opened(redis, { tuning: { ...NO_CANARY, pendingMaxCommands: 3 } });
    const heard: unknown[] = [];
    const handler = { reply: (reply: Reply) => heard.push(reply), fail: ({ code }: ClientError) => heard.push(code) };
    const queue = (...args: string[]) =>
      rig.shard.server!.encoded({ script: undefined, writeTo: (out) => writeCommand(out, args) }, handler);
    for (const args of [['INCR', 'n'], ['NOSUCH'], ['INCR', 'n']]) expect(queue(...args)).toBeUndefined();
    expect(queue('INCR', 'n')).toBe(errors.tooManyRequests);
    await until('all three are answered', () => heard.length === 3);
    expect(heard.splice(0)).toEqual([1, 100, 2]);
    redis.pause();
    for (let i = 0; i < 3; i++) expect(queue('INCR', 'n')).toBeUndefined();
    await new Promise(setImmediate);
    await redis.kill();
    await until('they fail', () => heard.length > 0);
    expect(heard).toEqual([100, 100, 100]);
  });

  it('beyond the bound on their bytes fail with 111 until there are replies', async () => {
    const redis = await start();
    const rig = await opened(redis, { tuning: { ...NO_CANARY, pendingMaxBytes: 1000 } });
    redis.pause();
    const large = rig.call('SET', 'k', 'x'.repeat(1000));
    await new Promise(setImmediate);
    expect(await rig.codeOf(rig.call('GET', 'k'))).toBe(111);
    redis.resume();
    await large;
    redis.pause();
    const lost = rig.codeOf(rig.call('SET', 'k', 'x'.repeat(1000)));
    await new Promise(setImmediate);
    await redis.kill();
    expect(await lost).toBe(100);
    await redis.start();
    await rig.healthy();
    expect(await rig.codeOf(rig.call('GET', 'k'))).toBe(0);
  });
});

describe('scripts', () => {
  it('are loaded when the server does not know them, and run in order', async () => {
    const redis = await start();
    const rig = await opened(redis);
    for (const round of [0, 1]) {
      const first = Array.from({ length: 10 }, (_, i) => rig.run(push, ['list'], [`${round} ${i}`]));
      // Queued after the first were sent, before the answer that they are not known.
      await new Promise(setImmediate);
      const second = Array.from({ length: 10 }, (_, i) => rig.run(push, ['list'], [`${round} ${10 + i}`]));
      await Promise.all([...first, ...second]);
      await redis.client.script('FLUSH');
    }
    const expected = [0, 1].flatMap((round) => Array.from({ length: 20 }, (_, i) => `${round} ${i}`));
    expect(await redis.client.lrange('list', 0, -1)).toEqual(expected);
  });

  it('of different kinds run in the order in which they were queued, the first time, too', async () => {
    const redis = await start();
    const rig = await opened(redis);
    const added: Promise<unknown>[] = [rig.run(push, ['list'], ['0'])];
    for (let i = 1; i < 30; i++) {
      await new Promise(setImmediate);
      added.push(rig.run(i % 2 ? push : script('other', `${push.lua} -- ${i}`), ['list'], [String(i)]));
    }
    await Promise.all(added);
    expect(await redis.client.lrange('list', 0, -1)).toEqual(Array.from({ length: 30 }, (_, i) => String(i)));
  });

  it('are not overtaken by other commands, not even on a server that was started again', async () => {
    const redis = await start();
    const rig = await opened(redis);
    const add = () => Promise.all([rig.run(push, ['list'], ['1']), rig.call('RPUSH', 'list', '2')]);
    await add();
    await redis.kill();
    await redis.start();
    await rig.healthy();
    await add();
    expect(await redis.client.lrange('list', 0, -1)).toEqual(['1', '2']);
  });

  it('that the server cannot load fail with 100', async () => {
    const rig = await opened(await start());
    expect(await rig.codeOf(rig.run(script('broken', 'this is not Lua'), ['k']))).toBe(100);
    expect(await rig.codeOf(rig.run(push, ['list'], ['a']))).toBe(0);
  });
});

describe('a server that goes away', () => {
  it('fails what is under way and what comes, and is healthy again when it is back', async () => {
    const redis = await start();
    const rig = await opened(redis);
    redis.pause();
    const underWay = rig.codeOf(rig.call('INCR', 'n'));
    await new Promise(setImmediate);
    await redis.kill();
    expect(await underWay).toBe(100);
    expect(rig.shard.healthy).toBe(false);
    expect(await rig.codeOf(rig.call('INCR', 'n'))).toBe(100);
    await redis.start();
    await rig.healthy();
    expect(await rig.call('INCR', 'n')).toBe(1);
  });

  it('is reported once, however long it takes', async () => {
    const redis = await start();
    const rig = await opened(redis);
    await redis.kill();
    const attempts = () => rig.logged.filter(({ msg, purpose }) => msg.includes('trying') && purpose === 'commands');
    await until('five attempts', () => attempts().length >= 5);
    expect(attempts().filter(({ level }) => level >= 40)).toHaveLength(1);
    expect(attempts()[0]).toMatchObject({ shard: 'a', reason: expect.stringContaining('ECONNREFUSED') });
  });

  it('need not be there at the start', async () => {
    const redis = await start();
    await redis.kill();
    const rig = open(standalone(redis));
    expect(await rig.codeOf(rig.call('PING'))).toBe(100);
    expect(await rig.codeOf(rig.shard.subscribe('c'))).toBe(100);
    await settled(rig);
    expect(rig.shard.healthy).toBe(false);
    await redis.start();
    await rig.healthy();
    expect(await rig.call('PING')).toBe('PONG');
  });

  it('as if the network had swallowed it (half-open) is noticed by the canary, and forgiven', async () => {
    const redis = await start();
    const rig = await opened(redis);
    await rig.shard.subscribe('c');
    redis.pause();
    await rig.unhealthy();
    expect(await rig.codeOf(rig.shard.subscribe('d'))).toBe(100);
    redis.resume();
    await rig.healthy();
    await until('interrupted', () => rig.interrupted.includes('c'));
  });

  it('hangs: the deadline of the oldest command ends the connection, without a canary', async () => {
    const redis = await start();
    const rig = await opened(redis, { server: { ioTimeoutMs: 200 }, tuning: NO_CANARY });
    redis.pause();
    const codes = [rig.codeOf(rig.call('INCR', 'n')), rig.codeOf(rig.call('INCR', 'n'))];
    expect(await Promise.all(codes)).toEqual([100, 100]);
    redis.resume();
    await rig.healthy();
  });

  it('is slow: what takes longer than the deadline fails, and nothing is sent twice', async () => {
    const redis = await start({ args: ['--enable-debug-command', 'local'] });
    const rig = await opened(redis, { server: { ioTimeoutMs: 300 }, tuning: NO_CANARY });
    const codes = [rig.codeOf(rig.call('DEBUG', 'SLEEP', '0.6')), rig.codeOf(rig.call('INCR', 'n'))];
    expect(await Promise.all(codes)).toEqual([100, 100]);
    await rig.healthy();
    // It was carried out, though nobody was there for the reply.
    expect(await redis.client.get('n')).toBe('1');
  });
});

it('whatever becomes of connections, a command is answered once, in order, and carried out at most once', async () => {
  const redis = await start();
  const rig = await opened(redis);
  const answers: number[] = [];
  const numbers: number[] = [];
  for (let i = 0; i < 2000; i++) {
    rig.shard.script(incr, ['n'], [], {
      reply: (n) => {
        answers.push(i);
        numbers.push(n as number);
      },
      fail: () => void answers.push(i),
    });
    if (i % 7 === 0) await new Promise(setImmediate);
    if (i % 200 === 199) {
      await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      if (i % 400 === 199) await rig.healthy();
      if (i % 600 === 199) await redis.client.script('FLUSH');
    }
  }
  await until('all are answered', () => answers.length >= 2000);
  expect(answers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 2000 }, (_, i) => i));
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(numbers.length).toBeGreaterThan(200);
  expect(numbers.length).toBeLessThan(2000);
  expect(Number(await redis.client.get('n'))).toBeLessThanOrEqual(2000);
});

describe('subscriptions', () => {
  it('are confirmed before anything later is published, and deliver bytes as they are', async () => {
    const redis = await start();
    const rig = await opened(redis);
    await rig.shard.subscribe('ä{b}');
    await redis.client.publish('ä{b}', 'héllo');
    await until('message', () => rig.messages.length > 0);
    expect(rig.messages).toEqual(['ä{b} héllo']);
    expect(rig.interrupted).toEqual([]);
  });

  it('can be given up and taken up again in one turn', async () => {
    const redis = await start();
    const rig = await opened(redis);
    await rig.shard.subscribe('c');
    rig.shard.unsubscribe('c');
    const again = rig.shard.subscribe('c');
    rig.shard.unsubscribe('c');
    const onceMore = rig.shard.subscribe('c');
    expect(await rig.codeOf(again)).toBe(100);
    await onceMore;
    expect(await redis.client.publish('c', '1')).toBe(1);
    rig.shard.unsubscribe('c');
    await until('unsubscribed', async () => (await redis.client.publish('c', '2')) === 0);
  });

  it('that are given up before they were asked for leave nothing behind', async () => {
    const redis = await start();
    const rig = await opened(redis);
    const kept = rig.shard.subscribe('kept');
    const givenUp = rig.codeOf(rig.shard.subscribe('given up'));
    rig.shard.unsubscribe('given up');
    expect(await givenUp).toBe(100);
    await kept;
    expect(await redis.client.pubsub('CHANNELS', '[gk]*')).toEqual(['kept']);
  });

  it('come back when their connection is killed: each is interrupted once, none is lost or left over', async () => {
    const redis = await start();
    const rig = await opened(redis);
    const channels = Array.from({ length: 20_000 }, (_, i) => `c${i}`);
    await Promise.all(channels.map((channel) => rig.shard.subscribe(channel)));
    rig.shard.unsubscribe('c7');
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await until('all are back', () => rig.interrupted.length >= channels.length - 1);
    expect(rig.interrupted.toSorted()).toEqual(channels.filter((channel) => channel !== 'c7').toSorted());
    expect(await redis.client.pubsub('CHANNELS', 'c*')).toHaveLength(channels.length - 1);
    await rig.healthy();
  });

  it('of which the server refuses one: only that one fails', async () => {
    const redis = await start();
    await redis.client.call('ACL', 'SETUSER', 'default', 'resetchannels', '&test.*', '&ok*');
    const rig = await opened(redis);
    const codes = await Promise.all(['ok1', 'no', 'ok2'].map((channel) => rig.codeOf(rig.shard.subscribe(channel))));
    expect(codes).toEqual([0, 100, 0]);
    expect(rig.shard.healthy).toBe(true);
    expect(await redis.client.pubsub('CHANNELS', 'ok*')).toHaveLength(2);
  });

  it('that are unconfirmed when the connection is lost fail, and are not taken up later', async () => {
    const redis = await start();
    const rig = await opened(redis);
    redis.pause();
    const subscribed = rig.codeOf(rig.shard.subscribe('c'));
    await new Promise(setImmediate);
    await redis.kill();
    expect(await subscribed).toBe(100);
    await redis.start();
    await rig.healthy();
    expect(await redis.client.pubsub('CHANNELS', 'c')).toEqual([]);
    expect(rig.interrupted).toEqual([]);
  });
});

describe('ways to a server', () => {
  it('a Unix socket', async () => {
    const redis = await start();
    const rig = open(standalone({ host: redis.socket, port: 0 }));
    await rig.healthy();
    expect(await rig.call('PING')).toBe('PONG');
  });

  it('TLS, with the authority that is trusted and no other', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'gyre-tls-'));
    closing.push(() => rmSync(dir, { recursive: true }));
    const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
    const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=redis';
    const files = ['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert];
    execFileSync('openssl', [...request.split(' '), ...files], { stdio: 'ignore' });
    const redis = await start({ tls: { key, cert, ca: cert } });

    const trusting = open(standalone(redis, { tls: { ca: await readFile(cert) } }));
    await trusting.healthy();
    await trusting.shard.subscribe('c');
    await trusting.call('PUBLISH', 'c', 'x'.repeat(100_000));
    await until('message', () => trusting.messages.length > 0);
    expect(trusting.messages).toEqual([`c ${'x'.repeat(100_000)}`]);

    const strict = open(standalone(redis, { tls: {} }));
    await until('refused', () => strict.logged.some(({ reason }) => String(reason).includes('self-signed')));
    expect(strict.shard.healthy).toBe(false);
  });

  it('a user with a password, a database, a client name', async () => {
    const redis = await start();
    await redis.client.call('ACL', 'SETUSER', 'bob', 'on', '>s3cret', '~*', '&*', '+@all');
    const server = { user: 'bob', password: 's3cret', db: 3, clientName: 'gyre' };
    const rig = await opened(redis, { server });
    await rig.call('SET', 'k', 'v');
    await redis.client.select(3);
    expect(await redis.client.get('k')).toBe('v');
    const clients = String(await redis.client.client('LIST'))
      .split('\n')
      .filter((line) => line.includes('user=bob'));
    expect(clients).toHaveLength(2);
    for (const line of clients) expect(line).toMatch(/name=gyre .*db=3 .*resp=2/);
    expect(JSON.stringify(rig.logged)).not.toContain('s3cret');
  });

  it('a password without a user', async () => {
    const redis = await start({ args: ['--requirepass', 's3cret'] });
    const rig = await opened(redis, { server: { password: 's3cret' } });
    expect(await rig.call('PING')).toBe('PONG');
  });

  it.each([
    ['a wrong password', { password: 'wr0ng' }, 'AUTH refused: WRONGPASS'],
    ['no password', {}, 'PING refused: NOAUTH'],
    ['a database that does not exist', { password: 's3cret', db: 99 }, 'SELECT refused: ERR DB index is out of range'],
    ['an impossible client name', { password: 's3cret', clientName: 'a b' }, 'CLIENT refused: ERR Client names cannot'],
  ])('%s is said clearly', async (_, server, text) => {
    const redis = await start({ args: ['--requirepass', 's3cret'] });
    const rig = open(standalone(redis, server));
    await settled(rig);
    expect(rig.shard.healthy).toBe(false);
    const errors = rig.logged.filter(({ level }) => level >= 50).map(({ reason }) => String(reason));
    expect(errors.some((error) => error.startsWith(text))).toBe(true);
    expect(JSON.stringify(rig.logged)).not.toMatch(/s3cret|wr0ng/);
  });
});

async function settled({ shard }: ShardRig): Promise<void> {
  if (!('settled' in shard)) throw new Error('not a single shard');
  await shard.settled;
}
