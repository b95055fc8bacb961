import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.js';
import { NODES_MAX, PING_MS, SILENCE_MS } from '../../src/cluster/nodes.js';
import { OPEN_SURVEYS_MAX, SURVEY_TIMEOUT_MS, surveyCodes } from '../../src/cluster/surveys.js';
import { systemClock } from '../../src/lib/clock.js';
import { errors } from '../../src/protocol/codes.js';
import { FakeThreads } from '../support/fake-asks.js';
import { Bus, type NodeOptions, TestNode } from './bus.js';

let bus: Bus;

beforeEach(() => {
  vi.useFakeTimers();
  bus = new Bus();
});
afterEach(() => {
  vi.useRealTimers();
});

const start = (uid: string, options?: NodeOptions): Promise<TestNode> => new TestNode(bus, uid, options).join();
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
/** Let what was just said be answered. */
const settle = () => pass(0);

const report = (uid: string, data = Buffer.alloc(0)) => ({
  kind: 'node' as const,
  node: {
    uid,
    name: `node ${uid}`,
    version: '6',
    numClients: 7,
    numUsers: 6,
    numChannels: 5,
    numSubs: 4,
    uptimeSeconds: 3,
    data,
  },
});
const request = (id: number, op: string, data = Buffer.alloc(0)) => ({
  kind: 'survey_request' as const,
  request: { id, op, data },
});
const disconnect = {
  kind: 'disconnect' as const,
  op: { user: 'ann', client: '', session: '', whitelist: [], disconnect: { code: 3503, reason: 'x' } },
};
const goodbye = { kind: 'shutdown' as const };

describe('nodes', () => {
  test('know each other as soon as they have joined, without waiting for pings', async () => {
    const a = await start('a');
    const b = await start('b');
    await settle();
    const c = await start('c');
    await settle();
    expect(await a.sees()).toEqual(['node a', 'node b', 'node c']);
    expect(await b.sees()).toEqual(['node b', 'node a', 'node c']);
    expect(await c.sees()).toEqual(['node c', 'node a', 'node b']);
    // Everybody is answered once, directly.
    const answers = bus.sent.filter(({ to }) => to !== '').map(({ uid, to }) => `${uid} ${to}`);
    expect(answers.sort()).toEqual(['a b', 'a c', 'b a', 'b c', 'c a', 'c b']);
  });

  test('tell every three seconds how they are', async () => {
    const a = await start('a');
    const b = await start('b', { channels: [{ x: 1, y: 1 }, { x: 1 }] });
    await settle();
    b.clients = 2;
    bus.sent.length = 0;
    await pass(PING_MS - 1);
    expect(bus.sent).toEqual([]);
    await pass(1);
    expect(bus.sent.map(({ uid, to }) => uid + to)).toEqual(['a', 'b']);
    const [, shown] = await a.cluster.info();
    expect(shown).toEqual({
      uid: 'b',
      name: 'node b',
      version: '1',
      numClients: 4,
      numUsers: 2,
      numChannels: 2,
      numSubs: 0,
      uptimeSeconds: 3,
    });
  });

  test('are gone when nothing is heard of them for seven seconds', async () => {
    const a = await start('a');
    await start('b');
    await pass(PING_MS);
    bus.cut.add('b');
    await pass(SILENCE_MS);
    expect(await a.sees()).toEqual(['node a', 'node b']);
    await pass(1);
    expect(await a.sees()).toEqual(['node a']);
    bus.cut.clear();
    await pass(PING_MS);
    expect(await a.sees()).toEqual(['node a', 'node b']);
  });

  test('are gone at once when they say goodbye, even if a ping comes after it', async () => {
    const a = await start('a');
    const b = await start('b');
    await settle();
    await b.cluster.leave();
    expect(await a.sees()).toEqual(['node a']);
    bus.say('b', report('b'));
    await settle();
    expect(await a.sees()).toEqual(['node a']);
    expect(a.messages('info')).toEqual(['node joined', 'node left']);
  });

  test('do not ping after goodbye, but do what they are told until they close', async () => {
    await start('a');
    const b = await start('b');
    await settle();
    await b.cluster.leave();
    bus.sent.length = 0;
    await pass(2 * PING_MS);
    expect(bus.sent.filter(({ uid }) => uid === 'b')).toEqual([]);
    bus.say('c', disconnect);
    await settle();
    expect(b.done).toHaveLength(2);
    b.cluster.close();
    bus.say('c', disconnect);
    await settle();
    expect(b.done).toHaveLength(2);
  });

  test('leave within a second when nothing gets through', async () => {
    const b = await start('b');
    bus.stuck = true;
    const left = vi.fn();
    void b.cluster.leave().then(left);
    await pass(999);
    expect(left).not.toHaveBeenCalled();
    await pass(1);
    expect(left).toHaveBeenCalled();
  });

  test('stay when a worker does not answer, with what it said last', async () => {
    const a = await start('a');
    const b = await start('b', { channels: [{ x: 1 }, { y: 1 }] });
    b.clients = 1;
    await pass(PING_MS);
    b.threads.dead.add(1);
    b.clients = 5;
    await pass(3 * PING_MS);
    const [, shown] = await a.cluster.info();
    expect(shown).toMatchObject({ name: 'node b', numClients: 6, numChannels: 2 });
  });

  test('ping on time when a worker hangs, and show what it says late', async () => {
    const a = await start('a');
    const b = await start('b');
    b.clients = 1;
    await pass(PING_MS);
    let answer: (value: unknown) => void = () => {};
    b.threads.asks[1]!.answer('info', () => new Promise((resolve) => (answer = resolve)));
    b.clients = 5;
    await pass(3 * PING_MS);
    expect((await a.cluster.info())[1]).toMatchObject({ name: 'node b', numClients: 6 });
    answer({ numClients: 9, numSubscriptions: 0, users: [], channels: [] });
    await pass(PING_MS);
    expect((await a.cluster.info())[1]).toMatchObject({ name: 'node b', numClients: 14 });
  });

  test('ping on when nothing could be sent for a while', async () => {
    const a = await start('a');
    await start('b');
    bus.down = true;
    await pass(10 * PING_MS);
    expect(await a.sees()).toEqual(['node a']);
    bus.down = false;
    await pass(PING_MS);
    expect(await a.sees()).toEqual(['node a', 'node b']);
  });

  test('are not more than somebody can have', async () => {
    const a = await start('a');
    for (let i = 0; i < NODES_MAX + 10; i++) bus.say(`u${i}`, report(`u${i}`));
    await settle();
    expect(await a.sees()).toHaveLength(1 + NODES_MAX);
  });
});

describe('placement', () => {
  const ring = { fingerprint: 'ring 2', shards: 2, isChanging: false, asCentrifugo: false };
  const jump = { fingerprint: 'jump 2', shards: 2, isChanging: false, asCentrifugo: true };
  const lost =
    'a node has other shards, or names them differently: publications may not get from one node to the other';

  test('that is the same is nothing to speak of', async () => {
    const a = await start('a', { placement: ring });
    await start('b', { placement: ring });
    await pass(3 * PING_MS);
    expect(a.messages('error')).toEqual([]);
    // Only when it is certain that there is nobody else.
    expect(a.foreign.slice(0, -1)).not.toContain(false);
    expect(a.foreign.at(-1)).toBe(false);
  });

  test('stays what it was while others cannot be heard: who falls silent may be there', async () => {
    const a = await start('a', { placement: ring });
    await pass(3 * PING_MS);
    expect(a.foreign.at(-1)).toBe(false);
    bus.down = true;
    await pass(3 * PING_MS);
    expect(a.foreign.at(-1)).toBe(false);
    bus.down = false;
    const b = await start('b', { placement: jump });
    await pass(PING_MS);
    expect(a.foreign.at(-1)).toBe(true);
    bus.down = true;
    await b.cluster.leave();
    await pass(4 * PING_MS);
    expect(a.foreign.at(-1)).toBe(true);
    bus.down = false;
    await pass(3 * PING_MS);
    expect(a.foreign.at(-1)).toBe(false);
  });

  test('that is of one shard is the same, whatever its name: both nodes hear it', async () => {
    const a = await start('a', {
      placement: { fingerprint: 'localhost', shards: 1, isChanging: false, asCentrifugo: true },
    });
    const b = await start('b', {
      placement: { fingerprint: '127.0.0.1', shards: 1, isChanging: false, asCentrifugo: true },
    });
    await pass(3 * PING_MS);
    for (const node of [a, b]) {
      expect(node.messages('error')).toEqual([]);
      expect(node.foreign.at(-1)).toBe(false);
    }
    const c = await start('c', { placement: jump });
    await pass(PING_MS);
    for (const node of [a, c]) expect(node.foreign.at(-1)).toBe(true);
  });

  test('that replaces another is not the same because both have one shard: the other is heard too', async () => {
    const former = { fingerprint: 'a', shards: 1, isChanging: false, asCentrifugo: true };
    const a = await start('a', { placement: former });
    const b = await start('b', { placement: { ...former, fingerprint: 'b', isChanging: true } });
    await pass(3 * PING_MS);
    expect(b.foreign.at(-1)).toBe(true);
    await a.cluster.leave();
    await settle();
    expect(b.foreign.at(-1)).toBe(false);
  });

  test('that is another is an error, said once, and workers know', async () => {
    const a = await start('a', { placement: ring });
    const b = await start('b', { placement: jump });
    await pass(3 * PING_MS);
    expect(a.messages('error')).toEqual([lost]);
    expect(b.messages('error')).toEqual([lost]);
    expect(a.foreign.at(-1)).toBe(true);
    // A replaced worker finds out with the next ping.
    const told = a.foreign.length;
    await pass(PING_MS);
    expect(a.foreign.slice(told)).toEqual([true]);
    await b.cluster.leave();
    await settle();
    expect(a.foreign.at(-1)).toBe(false);
  });

  test.each([
    [true, []],
    [false, [lost]],
  ])('of Centrifugo may be as ours (%s)', async (asCentrifugo, complaints) => {
    const a = await start('a', { placement: { fingerprint: 'f', shards: 2, isChanging: false, asCentrifugo } });
    for (const data of ['', 'null', '{', '{"placement":1}', `{"placement":"f","x":"${'x'.repeat(2000)}"}`]) {
      bus.say('c', report('c', Buffer.from(data)));
      await settle();
      expect(a.messages('error')).toEqual(complaints);
      expect(a.foreign.at(-1)).toBe(true);
    }
  });
});

describe('operations', () => {
  test('are carried out by all workers of all nodes, once', async () => {
    const a = await start('a');
    const b = await start('b');
    await a.ask('cluster.control', disconnect);
    await settle();
    const expected = ['0 disconnect ann', '1 disconnect ann'];
    expect([a.done, b.done]).toEqual([expected, expected]);
  });

  test('are not carried out where the others cannot be told', async () => {
    const a = await start('a');
    bus.down = true;
    await expect(a.ask('cluster.control', disconnect)).rejects.toBe(errors.internal);
    expect(a.done).toEqual([]);
  });

  test('fail when a worker fails', async () => {
    const a = await start('a');
    a.threads.dead.add(1);
    await expect(a.ask('cluster.control', disconnect)).rejects.toBe(errors.internal);
  });

  test('of others that fail here are logged', async () => {
    const a = await start('a');
    a.threads.dead.add(1);
    bus.say('c', disconnect);
    await settle();
    expect(a.messages('error')).toEqual(['an operation of another node failed']);
  });

  test('with a label filter are not carried out', async () => {
    const a = await start('a');
    // uid "c", disconnect { user "ann", label_filter { op "eq" } }
    bus.transmit('c', Buffer.from('0a0163320b0a03616e6e42040a026571', 'hex'), '');
    await settle();
    expect(a.done).toEqual([]);
    expect(a.messages('error')).toEqual([
      'an operation with a label filter was not carried out: connections have no labels here',
    ]);
  });

  test('that are malformed are logged and do no harm', async () => {
    const a = await start('a');
    bus.transmit('c', Buffer.from('0a05', 'hex'), '');
    bus.transmit('c', Buffer.alloc(0), '');
    bus.say('c', disconnect);
    await settle();
    expect(a.messages('error')).toEqual(['a control message is malformed']);
    expect(a.done).toHaveLength(2);
  });
});

describe('channels', () => {
  const merged = async (node: TestNode, pattern = '') => Object.fromEntries(await node.cluster.channels(pattern));

  test('are those of all workers of all nodes', async () => {
    const a = await start('a', { channels: [{ 'x:1': 1, y: 2 }, { y: 3 }] });
    const b = await start('b', { channels: [{ y: 4 }, { 'x:1': 5, z: 6 }] });
    await settle();
    for (const node of [a, b]) {
      expect(await merged(node)).toEqual({ 'x:1': 6, y: 9, z: 6 });
      expect(await merged(node, 'x:*')).toEqual({ 'x:1': 6 });
    }
    expect(await a.ask('cluster.channels', 'z')).toEqual([['z', 6]]);
  });

  test('are not told in part: a node that does not answer is an error after ten seconds', async () => {
    const a = await start('a', { channels: [{ x: 1 }, {}] });
    await start('b');
    bus.say('c', report('c'));
    const asked = a.cluster.channels('').then(
      () => 'told',
      (error: unknown) => error,
    );
    await pass(SILENCE_MS - 1);
    bus.say('c', report('c'));
    await pass(SURVEY_TIMEOUT_MS - SILENCE_MS);
    expect(await Promise.race([asked, Promise.resolve('waiting')])).toBe('waiting');
    await pass(1);
    expect(await asked).toBe(errors.internal);
    expect(a.logged.at(-1)).toMatchObject({ message: 'nodes did not answer a survey', nodes: ['c'] });
  });

  test.each([
    ['leaves', () => bus.say('c', goodbye)],
    [
      'answers',
      () => bus.say('c', { kind: 'survey_response', response: { id: 1, code: 0, data: Buffer.alloc(0) } }, 'a'),
    ],
  ])('are told once the last node %s', async (_, end) => {
    const a = await start('a', { channels: [{ x: 1 }, {}] });
    bus.say('c', report('c'));
    const asked = merged(a);
    await settle();
    expect(await Promise.race([asked, Promise.resolve('waiting')])).toBe('waiting');
    end();
    expect(await asked).toEqual({ x: 1 });
  });

  test('are an error where a node fails', async () => {
    const a = await start('a');
    const b = await start('b');
    await settle();
    b.threads.dead.add(0);
    await expect(a.cluster.channels('')).rejects.toBe(errors.internal);
  });

  test('are an error where nodes cannot be asked, and when too many ask', async () => {
    const a = await start('a');
    bus.say('c', report('c'));
    const open = Array.from({ length: OPEN_SURVEYS_MAX }, () => a.cluster.channels(''));
    await expect(a.cluster.channels('')).rejects.toBe(errors.tooManyRequests);
    bus.say('c', goodbye);
    await Promise.all(open);
    bus.say('d', report('d'));
    bus.down = true;
    await expect(a.cluster.channels('')).rejects.toBe(errors.internal);
  });

  test('are told to others in their encoding, and what is not known is said to be so', async () => {
    const a = await start('a', { channels: [{ x: 1, y: 1 }, { x: 1 }] });
    const heard = bus.listen('c');
    const ask = async (id: number, op: string, data = Buffer.alloc(0)) => {
      bus.say('c', request(id, op, data));
      await settle();
      return heard.at(-1);
    };
    const answer = (id: number, code: number, data = '') => ({
      kind: 'survey_response',
      response: { id, code, data: Buffer.from(data, 'hex') },
    });
    // { pattern: 'x' } and { channels: { x: { num_clients: 2 } } }
    expect(await ask(5, 'channels', Buffer.from('0a0178', 'hex'))).toEqual(answer(5, 0, '0a070a017812020802'));
    expect(await ask(6, 'channels', Buffer.from('0a025b61', 'hex'))).toEqual(answer(6, surveyCodes.invalidRequest));
    expect(await ask(7, 'channels', Buffer.from('0a', 'hex'))).toEqual(answer(7, surveyCodes.invalidRequest));
    expect(await ask(8, 'unknown')).toEqual(answer(8, surveyCodes.methodNotFound));
    a.threads.dead.add(0);
    expect(await ask(9, 'channels')).toEqual(answer(9, surveyCodes.internal));
  });
});

describe('commands of clients on one-way transports', () => {
  const body = { node: 'b', session: '1.s', data: Buffer.from('"x"').toString('base64') };
  /** { node: 'b', session: '1.s', data: '"x"' } */
  const DATA = Buffer.from('0a01621203312e731a03227822', 'hex');

  test('travel to the node they name, and to nobody else', async () => {
    const a = await start('a');
    const b = await start('b');
    const heard = bus.listen('c');
    await settle();
    const emulated: unknown[] = [];
    b.threads.asks[1]!.answer('emulate', (asked) => {
      emulated.push(asked);
      return 0;
    });
    bus.sent.length = 0;
    heard.length = 0;
    expect(await a.ask('cluster.emulate', body)).toBe(true);
    expect(emulated).toEqual([{ ...body, node: '' }]);
    expect(heard).toEqual([]);
    expect(bus.sent[0]).toMatchObject({ to: 'b', message: { request: { op: 'centrifuge_emulation', data: DATA } } });
  });

  test('are refused for a node that is unknown or this one, without asking anybody', async () => {
    const a = await start('a');
    bus.sent.length = 0;
    expect(await a.ask('cluster.emulate', body)).toBe(false);
    expect(await a.ask('cluster.emulate', { ...body, node: 'a' })).toBe(false);
    expect(bus.sent).toEqual([]);
  });

  test('fail when the node does not answer, and end when it leaves', async () => {
    const a = await start('a');
    bus.listen('b');
    bus.say('b', report('b'));
    const asked = a.ask('cluster.emulate', body);
    bus.say('b', goodbye);
    expect(await asked).toBe(true);
    bus.listen('d');
    bus.say('d', report('d'));
    const failing = expect(a.ask('cluster.emulate', { ...body, node: 'd' })).rejects.toBe(errors.internal);
    for (let ms = 0; ms < SURVEY_TIMEOUT_MS; ms += PING_MS) {
      bus.say('d', report('d'));
      await pass(PING_MS);
    }
    await failing;
  });

  test('of other nodes are answered in their encoding', async () => {
    const a = await start('a');
    const heard = bus.listen('c');
    a.threads.asks[1]!.answer('emulate', () => 2);
    const ask = async (id: number, data: ReturnType<typeof Buffer.alloc>) => {
      bus.say('c', request(id, 'centrifuge_emulation', data));
      await settle();
      return heard.at(-1);
    };
    const answer = (id: number, code: number) => ({
      kind: 'survey_response',
      response: { id, code, data: Buffer.alloc(0) },
    });
    expect(await ask(5, DATA)).toEqual(answer(5, 2));
    expect(await ask(6, Buffer.from('0a', 'hex'))).toEqual(answer(6, 1));
    expect(await ask(7, Buffer.from('12017a', 'hex'))).toEqual(answer(7, 2));
    a.threads.dead.add(1);
    expect(await ask(8, DATA)).toEqual(answer(8, surveyCodes.internal));
  });
});

test('health is that of the controller', async () => {
  const a = await start('a');
  expect(await a.ask('engine.health', null)).toEqual([{ name: '0', healthy: true }]);
  bus.down = true;
  expect(await a.ask('engine.health', null)).toEqual([{ name: '0', healthy: false }]);
});

test('a node without a controller is a cluster of one', async () => {
  const { asks, main } = new FakeThreads(1);
  asks[0]!.answer('info', () => ({ numClients: 1, numSubscriptions: 2, users: [1], channels: [1, 2] }));
  asks[0]!.answer('channels', () => [['x', 1]]);
  const done: unknown[] = [];
  asks[0]!.answer('control.disconnect', (op) => void done.push(op));
  const log = { info() {}, warn() {}, error() {} };
  const node = { uid: 'a', name: 'node a', version: '1', startedAtMs: systemClock.now() };
  const cluster = await Cluster.join({ asks: main, node, clock: systemClock, log });
  // It says nothing to anybody.
  expect(vi.getTimerCount()).toBe(0);
  expect(await cluster.info()).toMatchObject([{ uid: 'a', numClients: 1, numUsers: 1, numChannels: 2, numSubs: 2 }]);
  expect(await cluster.channels('')).toEqual([['x', 1]]);
  await asks[0]!.ask(1, 'cluster.control', disconnect);
  expect(done).toEqual([disconnect.op]);
  expect(await asks[0]!.ask(1, 'engine.health', null)).toEqual([]);
  await cluster.leave();
});
