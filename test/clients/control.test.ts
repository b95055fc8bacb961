import { beforeEach, describe, expect, test } from 'vitest';
import { FakeThreads } from '../support/fake-asks.js';
import { type Connection, Rig, START_SECONDS } from '../support/rig.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const server = { code: 2000, reason: 'server unsubscribe' };
const any = { user: 'ann', client: '', session: '' };

let rigs: Rig[];
/** Two of ann's on different workers, one of bob's, one anonymous. */
let connections: Connection[];

beforeEach(async () => {
  const threads = new FakeThreads(2);
  const options = {
    client: { insecure: true, ping_interval: '-1s', channel_limit: 2 },
    channel: { without_namespace: { history_size: 10, history_ttl: '1m' } },
  };
  rigs = threads.asks.map((_, slot) => new Rig(options, threads, slot));
  connections = [
    await rigs[0]!.connect('ann'),
    await rigs[1]!.connect('ann'),
    await rigs[1]!.connect('bob'),
    await rigs[1]!.connect(''),
  ];
});

const read = () => connections.map((connection) => connection.read());
const closed = () => connections.map(({ closeCode }) => closeCode);

describe('subscribe', () => {
  const op = {
    ...any,
    channel: 'a',
    info: '',
    data: '',
    expireAt: 0,
    presence: false,
    joinLeave: false,
    forcePushJoinLeave: false,
    forceRecovery: false,
    forcePositioning: false,
  };
  const push = { push: { channel: 'a', subscribe: {} } };

  test('reaches all connections of the user, from any thread', async () => {
    await rigs[1]!.control.subscribe(op);
    expect(read()).toEqual([[push], [push], [], []]);
    expect(rigs.map((rig) => rig.channels.members('a').length)).toEqual([1, 1]);
  });

  test('client narrows within the user, and an empty user is the anonymous one', async () => {
    await rigs[0]!.control.subscribe({ ...op, client: connections[1]!.client.id });
    expect(read()).toEqual([[], [push], [], []]);
    await rigs[0]!.control.subscribe({ ...op, client: connections[2]!.client.id });
    await rigs[0]!.control.subscribe({ ...op, session: 'x' });
    expect(read()).toEqual([[], [], [], []]);
    await rigs[0]!.control.subscribe({ ...op, user: '' });
    expect(read()).toEqual([[], [], [], [push]]);
  });

  test('carries data, shows info and recovers', async () => {
    rigs[1]!.channels.withHistory.add('a');
    for (const value of [1, 2]) rigs[1]!.publish('a', value);
    await rigs[0]!.control.subscribe({
      ...op,
      user: 'bob',
      info: base64('{"seat":1}'),
      data: base64('[1]'),
      presence: true,
      forceRecovery: true,
      recoverSince: { offset: 1, epoch: 'fake' },
    });
    expect(read()[2]).toEqual([
      {
        push: { channel: 'a', subscribe: { recoverable: true, positioned: true, epoch: 'fake', offset: 1, data: [1] } },
      },
    ]);
    const { id } = connections[2]!.client;
    expect(String(rigs[1]!.channels.channel('a').presence.get(id)?.chanInfo)).toBe('{"seat":1}');
    expect(rigs[1]!.channels.calls[0]!.recover).toEqual({ since: { offset: 1, epoch: 'fake' }, mode: 'stream' });
  });

  test('leaves an existing subscription alone', async () => {
    await connections[0]!.ask({ id: 2, subscribe: { channel: 'a' } });
    await rigs[0]!.control.subscribe(op);
    expect(read()).toEqual([[], [push], [], []]);
    expect(rigs[0]!.channels.members('a')).toHaveLength(1);
  });

  test('beyond the channel limit ends the connection', async () => {
    for (const channel of ['b', 'c', 'd']) await rigs[0]!.control.subscribe({ ...op, channel });
    expect(closed()).toEqual([3505, 3505, undefined, undefined]);
  });

  test('tells a failure, and ends when the connection does', async () => {
    rigs[0]!.channels.failNext = { code: 111, message: 'too many requests', temporary: true };
    await expect(rigs[1]!.control.subscribe(op)).rejects.toMatchObject({ code: 111 });
    rigs[1]!.channels.holding = true;
    const waiting = rigs[0]!.control.subscribe({ ...op, user: 'bob' });
    await rigs[1]!.settle();
    connections[2]!.client.closed();
    await waiting;
  });
});

describe('unsubscribe', () => {
  const push = (channel: string) => ({ push: { channel, unsubscribe: server } });

  test('is told even to who is not subscribed', async () => {
    await connections[0]!.ask({ id: 2, subscribe: { channel: 'a' } });
    await rigs[1]!.control.unsubscribe({ ...any, channel: 'a', unsubscribe: server });
    expect(read()).toEqual([[push('a')], [push('a')], [], []]);
    expect(rigs[0]!.channels.members('a')).toEqual([]);
  });

  test('without a channel ends nothing', async () => {
    for (const channel of ['a', 'b']) await connections[0]!.ask({ id: 2, subscribe: { channel } });
    await rigs[1]!.control.unsubscribe({ ...any, channel: '', unsubscribe: server });
    expect([...rigs[0]!.channels.localChannels()].map(([name]) => name)).toEqual(['a', 'b']);
  });

  test('waits for a subscribe that is still at work', async () => {
    rigs[0]!.channels.holding = true;
    connections[0]!.say({ id: 2, subscribe: { channel: 'a' } });
    await rigs[1]!.control.unsubscribe({ ...any, channel: 'a', unsubscribe: server });
    expect(read()[0]).toEqual([]);
    rigs[0]!.channels.release();
    expect(read()[0]).toMatchObject([{ id: 2, subscribe: {} }, push('a')]);
    expect(rigs[0]!.channels.members('a')).toEqual([]);
  });
});

describe('disconnect', () => {
  const disconnect = { code: 4001, reason: 'bye' };

  test('spares who is on the list', async () => {
    await rigs[0]!.control.disconnect({ ...any, whitelist: [connections[1]!.client.id], disconnect });
    expect(closed()).toEqual([4001, undefined, undefined, undefined]);
    expect(connections[0]!.socket.closed).toEqual(disconnect);
  });

  test('narrows by client', async () => {
    await rigs[0]!.control.disconnect({ ...any, client: connections[1]!.client.id, whitelist: [], disconnect });
    expect(closed()).toEqual([undefined, 4001, undefined, undefined]);
  });
});

describe('refresh', () => {
  const op = { ...any, expired: false, expireAt: 0, info: '' };

  test('moves the expiry and the info', async () => {
    await rigs[0]!.control.refresh({ ...op, expireAt: START_SECONDS + 60, info: base64('{"name":"Ann"}') });
    const push = { push: { refresh: { expires: true, ttl: 60 } } };
    expect(read()).toEqual([[push], [push], [], []]);
    expect(String(connections[0]!.client.connInfo)).toBe('{"name":"Ann"}');
    for (const rig of rigs) rig.advance(86_000);
    expect(closed()).toEqual([3005, 3005, undefined, undefined]);
  });

  test('ends the expiry', async () => {
    await rigs[0]!.control.refresh({ ...op, expireAt: START_SECONDS + 60 });
    await rigs[0]!.control.refresh(op);
    expect(read()[0]!.at(-1)).toEqual({ push: { refresh: {} } });
    for (const rig of rigs) rig.advance(86_000);
    expect(closed()).toEqual([undefined, undefined, undefined, undefined]);
  });

  test('expires, by word or by date', async () => {
    await rigs[0]!.control.refresh({ ...op, expired: true });
    await rigs[0]!.control.refresh({ ...op, user: 'bob', expireAt: START_SECONDS });
    expect(closed()).toEqual([3005, 3005, 3005, undefined]);
  });
});
