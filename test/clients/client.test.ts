import { describe, expect, test } from 'vitest';
import { BACKLOG_MAX_BYTES } from '../../src/clients/backlog.js';
import { BUFFERED, DROPPED, SENT } from '../../src/clients/socket.js';
import { errors } from '../../src/protocol/codes.js';
import { Rig } from '../support/rig.js';

const insecure = { client: { insecure: true } };

describe('commands one after the other', () => {
  test('a frame of several is answered in order', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    connection.say({ id: 2, subscribe: { channel: 'a' } }, { id: 3, publish: { channel: 'a', data: 1 } });
    connection.say({ id: 4, unsubscribe: { channel: 'a' } });
    expect(connection.read()).toEqual([
      { id: 2, subscribe: {} },
      { push: { channel: 'a', pub: { data: 1, info: { user: 'ann', client: connection.client.id } } } },
      { id: 3, publish: {} },
      { id: 4, unsubscribe: {} },
    ]);
  });

  test('what comes while a command is at work waits for it', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    rig.channels.holding = true;
    connection.say({ id: 2, subscribe: { channel: 'a' } }, { id: 3, publish: { channel: 'a', data: 'first' } });
    connection.say({ id: 4, publish: { channel: 'a', data: 'second' } });
    expect(connection.read()).toEqual([]);
    expect(rig.channels.published).toEqual([]);
    rig.channels.release();
    expect(connection.read().map((message) => message.id ?? message.push.pub.data)).toEqual([
      2,
      'first',
      3,
      'second',
      4,
    ]);
  });

  test('with concurrency, that many are at work, and the rest waits', async () => {
    const rig = new Rig({ client: { insecure: true, concurrency: 2 } });
    const connection = await rig.connect();
    rig.channels.holding = true;
    for (const id of [2, 3, 4]) connection.say({ id, subscribe: { channel: `c${id}` } });
    expect(rig.channels.heldCount).toBe(2);
    connection.say({ id: 5, rpc: { method: 'x' } });
    expect(connection.read()).toEqual([]);
    rig.channels.release();
    // The first one done makes room for the fourth while the third is still at work.
    expect(connection.read().map(({ id }) => id)).toEqual([2, 4, 5, 3]);
  });

  test('too much waiting ends the connection', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    rig.channels.holding = true;
    connection.say({ id: 2, subscribe: { channel: 'a' } });
    const large = { id: 3, publish: { channel: 'a', data: 'x'.repeat(BACKLOG_MAX_BYTES / 2) } };
    connection.say(large);
    expect(connection.closeCode).toBeUndefined();
    connection.say(large);
    expect(connection.closeCode).toBe(3013);
  });

  test('a malformed frame that had to wait still ends the connection', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    rig.channels.holding = true;
    connection.say({ id: 2, subscribe: { channel: 'a' } });
    connection.client.receive(Buffer.from('{'));
    rig.channels.release();
    expect(connection.closeCode).toBe(3501);
  });
});

describe('ready to be sent to at once', () => {
  test('is who has one subscription and nothing queued', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    const { client } = connection;
    connection.say({ id: 2, subscribe: { channel: 'a' } });
    expect(client.ready()).toBe(false);
    connection.read();
    expect(client.ready()).toBe(true);
    connection.say({ id: 3, subscribe: { channel: 'b' } });
    connection.read();
    expect(client.ready()).toBe(false);
  });
});

describe('faults', () => {
  test.each(['', '{', '{"id":1}\n\n{"id":2}', '[]'])('frame %j is malformed', async (frame) => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    connection.client.receive(Buffer.from(frame));
    expect(connection.closeCode).toBe(3501);
  });

  test('a bug in a command ends its connection, and only that', async () => {
    const rig = new Rig(insecure);
    const other = await rig.connect();
    const connection = await rig.connect();
    rig.channels.presence = () => {
      throw new TypeError('bug');
    };
    rig.config.channel.without_namespace.presence = true;
    connection.say({ id: 2, history: { channel: 'a' } });
    expect(connection.read()).toEqual([{ id: 2, error: { code: 108, message: 'not available' } }]);
    rig.channels.publish = () => {
      throw new TypeError('bug');
    };
    connection.say({ id: 3, publish: { channel: 'a', data: 1 } });
    expect(connection.closeCode).toBe(3004);
    expect(rig.errors).toEqual(['a command failed unexpectedly']);
    expect(await other.ask({ id: 2, rpc: {} })).toEqual([{ id: 2, error: { code: 108, message: 'not available' } }]);
  });

  test('a promise that fails is a bug, too', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    rig.commands.access.connectTokens.verifyConnect = () => Promise.reject(new TypeError('bug'));
    await connection.ask({ id: 2, refresh: { token: 'x' } });
    expect(connection.closeCode).toBe(3004);
  });
});

describe('a slow client', () => {
  test('is closed with 3008 once too much waits, and nothing is written after that', async () => {
    const rig = new Rig({ client: { insecure: true, queue_max_size: 1000 } });
    const connection = await rig.connect();
    await connection.ask({ id: 2, subscribe: { channel: 'a' } });
    const publisher = await rig.connect('bob');
    connection.socket.answer = BUFFERED;
    for (let i = 0; i < 20; i++) await publisher.ask({ id: 2 + i, publish: { channel: 'a', data: 'x'.repeat(100) } });
    expect(connection.closeCode).toBe(3008);
    expect(connection.socket.frames).toHaveLength(3);
    expect(rig.channels.members('a')).toEqual([]);
    connection.client.drained();
    rig.turn.runNow();
    expect(connection.socket.frames).toHaveLength(3);
  });

  test('is abandoned when its socket stays blocked', async () => {
    const rig = new Rig({ client: { insecure: true }, websocket: { write_timeout: '2s' } });
    const connection = await rig.connect();
    connection.socket.answer = BUFFERED;
    await connection.ask({ id: 2, rpc: {} });
    rig.advance(1900);
    expect(connection.socket.destroyed).toBe(false);
    rig.advance(200);
    expect(connection.socket.destroyed).toBe(true);
    expect(connection.socket.closed).toBeUndefined();
  });

  test('that drains in time stays', async () => {
    const rig = new Rig({ client: { insecure: true }, websocket: { write_timeout: '2s' } });
    const connection = await rig.connect();
    connection.socket.answer = BUFFERED;
    await connection.ask({ id: 2, rpc: {} });
    rig.advance(1000);
    connection.socket.answer = SENT;
    connection.client.drained();
    rig.advance(5000);
    expect(connection.socket.destroyed).toBe(false);
    expect(connection.closeCode).toBeUndefined();
  });

  test('whose write is dropped is abandoned without a close frame', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    connection.socket.answer = DROPPED;
    await connection.ask({ id: 2, rpc: {} });
    expect(connection.socket.destroyed).toBe(true);
    expect(connection.socket.closed).toBeUndefined();
  });
});

describe('the end', () => {
  test('what was written goes out before the close frame', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    connection.say({ id: 2, rpc: {} }, { id: 3, send: { data: {} } });
    expect(connection.closeCode).toBe(3508);
    expect(connection.read()).toEqual([{ id: 2, error: { code: 108, message: 'not available' } }]);
  });

  test('nothing is left behind', async () => {
    const rig = new Rig({ client: { insecure: true }, channel: { without_namespace: { presence: true } } });
    const connection = await rig.connect();
    await connection.ask({ id: 2, subscribe: { channel: 'a' } });
    expect([rig.registry.clients, rig.registry.users, rig.registry.subscriptions]).toEqual([1, 1, 1]);
    connection.client.closed();
    expect([rig.registry.clients, rig.registry.users, rig.registry.subscriptions]).toEqual([0, 0, 0]);
    expect(rig.channels.members('a')).toEqual([]);
    expect(rig.channels.channel('a').presence.size).toBe(0);
    expect(rig.wheel.size).toBe(0);
  });

  test('a subscribe in flight leaves nothing behind either', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    rig.channels.holding = true;
    connection.say({ id: 2, subscribe: { channel: 'a' } });
    connection.client.closed();
    rig.channels.release();
    expect(rig.channels.members('a')).toEqual([]);
    expect(rig.registry.subscriptions).toBe(0);
  });

  test('a peer that does not answer the close frame is dropped after a while', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    await connection.ask({ id: 2, send: {} });
    rig.advance(4900);
    expect(connection.socket.destroyed).toBe(false);
    rig.advance(200);
    expect(connection.socket.destroyed).toBe(true);
  });

  test('a second reason to close is ignored, and so is what still comes in', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    await connection.ask({ id: 2, send: {} });
    connection.client.disconnect({ code: 3503, reason: 'force disconnect' });
    expect(await connection.ask({ id: 3, rpc: {} })).toEqual([]);
    expect(connection.closeCode).toBe(3508);
  });
});

describe('lost publications', () => {
  test('end a client-side subscription with 2500', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    await connection.ask({ id: 2, subscribe: { channel: 'a' } });
    rig.channels.members('a')[0]!.insufficientState();
    expect(connection.read()).toEqual([
      { push: { channel: 'a', unsubscribe: { code: 2500, reason: 'insufficient state' } } },
    ]);
    expect(rig.channels.members('a')).toEqual([]);
    expect(await connection.ask({ id: 3, subscribe: { channel: 'a' } })).toEqual([{ id: 3, subscribe: {} }]);
  });

  test('end the connection with 3010 where the subscription is the server’s', async () => {
    const rig = new Rig();
    const connection = await rig.connect('ann', { channels: ['a'] });
    rig.channels.members('a')[0]!.insufficientState();
    expect(connection.closeCode).toBe(3010);
  });
});

test('a payload that JSON cannot carry ends a JSON connection with 3506, after what came before it', async () => {
  const rig = new Rig({ ...insecure, channel: { without_namespace: { publication_data_format: 'binary' } } });
  const connection = await rig.connect();
  await connection.ask({ id: 2, subscribe: { channel: 'a' } });
  const publisher = await rig.connect('bob', {}, { protocol: 'protobuf' });
  publisher.say({ id: 2, publish: { channel: 'a', data: Buffer.from('1') } });
  publisher.say({ id: 3, publish: { channel: 'a', data: Buffer.from([0xff]) } });
  publisher.say({ id: 4, publish: { channel: 'a', data: Buffer.from('2') } });
  expect(connection.read().map((message) => message.push.pub.data)).toEqual([1]);
  expect(connection.closeCode).toBe(3506);
  expect(publisher.read().map(({ id, error }) => [id, error])).toEqual([
    [2, undefined],
    [3, undefined],
    [4, undefined],
  ]);
});

test('a broken link is told in the reply', async () => {
  const rig = new Rig(insecure);
  const connection = await rig.connect();
  rig.channels.failNext = errors.tooManyRequests;
  expect(await connection.ask({ id: 2, publish: { channel: 'a', data: 1 } })).toEqual([
    { id: 2, error: { code: 111, message: 'too many requests', temporary: true } },
  ]);
});
