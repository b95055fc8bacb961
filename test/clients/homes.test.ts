import { describe, expect, test, vi } from 'vitest';
import { errors } from '../../src/protocol/codes.js';
import { FakeThreads } from '../support/fake-asks.js';
import { type Connection, Rig, token } from '../support/rig.js';

const WORKERS = 3;

function node(client: object): { threads: FakeThreads; rigs: Rig[] } {
  const threads = new FakeThreads(WORKERS);
  return { threads, rigs: threads.asks.map((_, slot) => new Rig({ client }, threads, slot)) };
}

describe('user_connection_limit', () => {
  test('counts a user’s connections over all workers', async () => {
    const { rigs } = node({ user_connection_limit: 2 });
    const first = await rigs[0]!.connect();
    const second = await rigs[1]!.connect();
    const third = await rigs[2]!.connect();
    expect([first, second, third].map(({ closeCode }) => closeCode)).toEqual([undefined, undefined, 3504]);
    expect((await rigs[2]!.connect('bob')).closeCode).toBeUndefined();
    second.client.closed();
    await rigs[1]!.settle();
    expect((await rigs[2]!.connect()).closeCode).toBeUndefined();
  });

  test('does not count anonymous connections', async () => {
    const { rigs } = node({ user_connection_limit: 1 });
    const connections = [await rigs[0]!.connect(''), await rigs[0]!.connect('')];
    expect(connections.map(({ closeCode }) => closeCode)).toEqual([undefined, undefined]);
  });

  test('a connection that was refused does not count', async () => {
    const { rigs } = node({ user_connection_limit: 1, channel_limit: 1 });
    const refused = rigs[0]!;
    refused.channels.failNext = { code: 111, message: 'too many requests', temporary: true };
    const connection = await refused.connect('ann', { channels: ['a'] });
    expect(connection.client.state).toBe('refused');
    expect((await rigs[1]!.connect()).closeCode).toBeUndefined();
  });

  test('connections of a dead worker are forgotten, and a new home is told of those that live', async () => {
    const { threads, rigs } = node({ user_connection_limit: 1 });
    const users = ['ann', 'bob', 'cid', 'dan', 'eve', 'fay'];
    for (const user of users) await rigs[0]!.connect(user);
    for (const rig of rigs) rig.homes.workerDied(0);
    const admitted = await Promise.all(users.map((user) => rigs[1]!.connect(user)));
    // Worker 0 was the home of some: it has forgotten its own connections as well.
    expect(admitted.map(({ closeCode }) => closeCode)).toEqual(users.map(() => undefined));

    const replaced = new Rig({ client: { user_connection_limit: 1 } }, threads, 0);
    await Promise.all(rigs.slice(1).map((rig) => rig.homes.workerReplaced(0)));
    const again = await Promise.all(users.map((user) => replaced.connect(user)));
    expect(again.map(({ closeCode }) => closeCode)).toEqual(users.map(() => 3504));
  });

  test('nobody is refused for a connection of a worker whose death the home is about to hear of', async () => {
    const { threads, rigs } = node({ user_connection_limit: 1 });
    await rigs[0]!.connect();
    const asks = threads.asks[1]!;
    const ask = asks.ask.bind(asks);
    asks.ask = async (...question) => {
      const answer = await ask(...question);
      for (const rig of rigs) rig.homes.workerDied(0);
      return answer;
    };
    expect((await rigs[1]!.connect()).closeCode).toBeUndefined();
    expect((await rigs[2]!.connect()).closeCode).toBe(3504);
  });

  test('a client that leaves before it is refused is not asked for again', async () => {
    const { threads, rigs } = node({ user_connection_limit: 1 });
    await rigs[0]!.connect();
    const connection = rigs[1]!.open();
    connection.say({ id: 1, connect: { token: token({ sub: 'ann' }) } });
    connection.client.closed();
    await rigs[1]!.settle();
    expect(threads.asks[1]!.asked.filter((question) => question.endsWith('user.enter'))).toHaveLength(1);
  });

  test('a home that cannot be asked is an internal error, to be tried again', async () => {
    const { threads, rigs } = node({ user_connection_limit: 1 });
    threads.dead.add(0).add(1).add(2);
    const connection = rigs[0]!.open();
    expect(await connection.ask({ id: 1, connect: { token: token({ sub: 'ann' }) } })).toEqual([
      { id: 1, error: { code: 100, message: 'internal server error', temporary: true } },
    ]);
  });

  test('a leave that is not heard is said again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    try {
      const { threads, rigs } = node({ user_connection_limit: 1 });
      const connection = await rigs[0]!.connect();
      threads.dead.add(0).add(1).add(2);
      connection.client.closed();
      await rigs[0]!.settle();
      threads.dead.clear();
      expect((await rigs[1]!.connect()).closeCode).toBe(3504);
      await vi.advanceTimersByTimeAsync(1000);
      expect((await rigs[1]!.connect()).closeCode).toBeUndefined();
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('single_connection', () => {
  const client = { subscribe_to_user_personal_channel: { enabled: true, single_connection: true } };

  test('the newest stays, wherever the others are', async () => {
    const { rigs } = node(client);
    const connections: Connection[] = [];
    for (const slot of [0, 1, 1, 2]) connections.push(await rigs[slot]!.connect());
    expect(connections.map(({ closeCode }) => closeCode)).toEqual([3504, 3504, 3504, undefined]);
    expect((await rigs[0]!.connect('bob')).closeCode).toBeUndefined();
  });

  test('those of other nodes, whom presence shows, do not stay', async () => {
    const { threads, rigs } = node(client);
    const sent: unknown[] = [];
    threads.main.answer('cluster.control', (op) => void sent.push(op));
    rigs[0]!.channels.channel('#ann').presence.set('elsewhere', { client: 'elsewhere', user: 'ann' });
    expect((await rigs[0]!.connect()).closeCode).toBeUndefined();
    expect(sent).toMatchObject([
      { kind: 'disconnect', op: { user: 'ann', client: 'elsewhere', disconnect: { code: 3504 } } },
    ]);
  });

  test('nobody gets in while presence cannot be read', async () => {
    const { rigs } = node(client);
    rigs[0]!.channels.failNext = errors.internal;
    const connection = rigs[0]!.open();
    connection.say({ id: 1, connect: { token: token({ sub: 'ann' }) } });
    await rigs[0]!.settle();
    expect(connection.read()).toMatchObject([{ id: 1, error: { code: 100 } }]);
  });

  test('who leaves while presence is read is not counted', async () => {
    const { threads, rigs } = node(client);
    const { channels } = rigs[0]!;
    const read: (() => void)[] = [];
    channels.presence = (_channel, done) => void read.push(() => done(null, {}));
    const connection = rigs[0]!.open();
    connection.say({ id: 1, connect: { token: token({ sub: 'ann' }) } });
    await rigs[0]!.settle();
    connection.client.closed();
    for (const each of read) each();
    await rigs[0]!.settle();
    expect(read).toHaveLength(1);
    expect(threads.asks[0]!.asked.filter((asked) => asked.endsWith('user.enter'))).toEqual([]);
  });

  test('of several at once exactly one stays', async () => {
    const { rigs } = node(client);
    const connections = await Promise.all(rigs.map((rig) => rig.connect()));
    for (const rig of rigs) await rig.settle();
    expect(connections.filter(({ closeCode }) => closeCode === undefined)).toHaveLength(1);
  });
});

test('with neither option nothing is asked', async () => {
  const { threads, rigs } = node({});
  const connection = await rigs[0]!.connect();
  connection.client.closed();
  expect(threads.asks[0]!.asked).toEqual([]);
});
