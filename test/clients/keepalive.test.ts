import { describe, expect, test, vi } from 'vitest';
import { type Connection, Rig, START_SECONDS, token } from '../support/rig.js';

const insecure = { client: { insecure: true } };

describe('pings', () => {
  test('the first comes after half an interval to a whole one, the next ones after a whole', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    rig.advance(12_400);
    expect(connection.read()).toEqual([]);
    rig.advance(200);
    expect(connection.read()).toEqual([{}]);
    connection.client.receive(Buffer.from('{}'));
    rig.advance(24_800);
    expect(connection.read()).toEqual([]);
    rig.advance(200);
    expect(connection.read()).toEqual([{}]);
  });

  test('few connections are pinged together, and stay together', async () => {
    const rig = new Rig(insecure);
    let drawn = 0;
    Object.assign(rig.deps, { random: () => drawn++ / 40 });
    const connections: Connection[] = [];
    for (let i = 0; i < 40; i++) connections.push(await rig.connect());
    const pinged: number[] = [];
    for (let round = 0; round < 500; round++) {
      rig.advance(100);
      const pings = connections.filter((connection) => connection.read().length > 0);
      for (const { client } of pings) client.receive(Buffer.from('{}'));
      if (pings.length > 0) pinged.push(pings.length);
    }
    // First pings fall on half of the 32 times of an interval.
    expect(pinged).toHaveLength(32);
    expect(pinged.slice(16)).toEqual(pinged.slice(0, 16));
  });

  test('one that is answered in time costs one deadline', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    rig.advance(12_500);
    const expire = vi.spyOn(connection.client.keepalive, 'expire');
    for (const times of [1, 2, 3]) {
      connection.client.receive(Buffer.from('{}'));
      rig.advance(25_000);
      expect(expire).toHaveBeenCalledTimes(times);
    }
  });

  test('a client that does not answer is closed with 3012', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    rig.advance(12_500);
    rig.advance(7_900);
    expect(connection.closeCode).toBeUndefined();
    rig.advance(200);
    expect(connection.closeCode).toBe(3012);
  });

  test('a pong before the first ping, or a second one, is 3501', async () => {
    const rig = new Rig(insecure);
    const early = await rig.connect();
    early.client.receive(Buffer.from('{}'));
    expect(early.closeCode).toBe(3501);
    const twice = await rig.connect();
    rig.advance(12_500);
    twice.client.receive(Buffer.from('{}'));
    expect(twice.closeCode).toBeUndefined();
    twice.client.receive(Buffer.from('{}'));
    expect(twice.closeCode).toBe(3501);
  });

  test('a pong may come as a command in a frame of several, and while another command is at work', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect();
    rig.advance(12_500);
    connection.say({ id: 2, rpc: {} }, {});
    expect(connection.closeCode).toBeUndefined();
    rig.advance(25_000);
    rig.channels.holding = true;
    connection.say({ id: 3, subscribe: { channel: 'a' } });
    connection.client.receive(Buffer.from('{}'));
    rig.advance(10_000);
    expect(connection.closeCode).toBeUndefined();
  });

  test('protobuf pings and pongs are one zero byte', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect('ann', {}, { protocol: 'protobuf' });
    rig.advance(12_500);
    expect(connection.socket.frames.at(-1)).toEqual(Buffer.from([0]));
    connection.client.receive(Buffer.from([0]));
    rig.advance(8_000);
    expect(connection.closeCode).toBeUndefined();
    connection.client.receive(Buffer.from([0]));
    expect(connection.closeCode).toBe(3501);
  });

  test('with frame pings they are the socket’s, and a protocol pong is one too many', async () => {
    const rig = new Rig(insecure);
    const connection = await rig.connect('ann', {}, { framePingPong: true });
    connection.client.ponged();
    rig.advance(12_500);
    expect(connection.socket.pings).toBe(1);
    expect(connection.read()).toEqual([]);
    connection.client.ponged();
    rig.advance(8_100);
    expect(connection.closeCode).toBeUndefined();
    rig.advance(17_000);
    expect(connection.socket.pings).toBe(2);
    rig.advance(8_100);
    expect(connection.closeCode).toBe(3012);
    const other = await rig.connect('ann', {}, { framePingPong: true });
    rig.advance(12_500);
    other.client.receive(Buffer.from('{}'));
    expect(other.closeCode).toBe(3501);
  });

  test('can be turned off', async () => {
    const rig = new Rig({ client: { insecure: true, ping_interval: '-1s' } });
    const connection = await rig.connect();
    rig.advance(100_000);
    expect(connection.socket.frames).toHaveLength(1);
    expect(rig.wheel.size).toBe(0);
  });
});

describe('stale connections', () => {
  test('without a connect', () => {
    const rig = new Rig();
    const connection = rig.open();
    rig.advance(9_900);
    expect(connection.closeCode).toBeUndefined();
    rig.advance(200);
    expect(connection.closeCode).toBe(3502);
  });

  test('with one that was refused', async () => {
    const rig = new Rig();
    const connection = rig.open();
    const expired = token({ sub: 'ann', exp: START_SECONDS - 1 });
    expect(await connection.ask({ id: 1, connect: { token: expired } })).toEqual([
      { id: 1, error: { code: 109, message: 'token expired' } },
    ]);
    rig.advance(10_100);
    expect(connection.closeCode).toBe(3502);
  });

  test('with one that is still at work', () => {
    const rig = new Rig();
    rig.channels.holding = true;
    const connection = rig.open();
    connection.say({ id: 1, connect: { token: token({ sub: 'ann', channels: ['a'] }) } });
    rig.advance(10_100);
    expect(connection.closeCode).toBe(3502);
    rig.channels.release();
    expect(rig.channels.members('a')).toEqual([]);
  });
});

describe('expiry', () => {
  const noPings = { client: { ping_interval: '-1s' } };

  test('a connection that is not refreshed in time is closed with 3005', async () => {
    const rig = new Rig(noPings);
    const connection = await rig.connect('ann', { exp: START_SECONDS + 60 });
    rig.advance(60_000 + 24_900);
    expect(connection.closeCode).toBeUndefined();
    rig.advance(200);
    expect(connection.closeCode).toBe(3005);
  });

  test('a subscription that is not refreshed in time ends with 2501', async () => {
    const rig = new Rig(noPings);
    const connection = await rig.connect();
    const subscription = { sub: 'ann', channel: 'a', exp: START_SECONDS + 10 };
    await connection.ask({ id: 2, subscribe: { channel: 'a', token: token(subscription) } });
    rig.advance(10_000 + 24_900);
    expect(connection.read()).toEqual([]);
    rig.advance(200);
    expect(connection.read()).toEqual([
      { push: { channel: 'a', unsubscribe: { code: 2501, reason: 'subscription expired' } } },
    ]);
    expect(rig.channels.members('a')).toEqual([]);
  });

  test('one of the server’s ends the connection with 3006', async () => {
    const rig = new Rig(noPings);
    const connection = await rig.connect();
    await rig.control.subscribe({
      user: 'ann',
      client: '',
      session: '',
      channel: 'a',
      info: '',
      data: '',
      expireAt: START_SECONDS + 10,
      presence: false,
      joinLeave: false,
      forcePushJoinLeave: false,
      forceRecovery: false,
      forcePositioning: false,
    });
    rig.advance(35_100);
    expect(connection.closeCode).toBe(3006);
  });
});

describe('presence', () => {
  test('is renewed after half an interval to a whole one, then after each', async () => {
    const rig = new Rig({
      client: { insecure: true, ping_interval: '-1s' },
      channel: { without_namespace: { presence: true }, namespaces: [{ name: 'quiet' }] },
    });
    const connection = await rig.connect();
    await connection.ask({ id: 2, subscribe: { channel: 'a' } });
    await connection.ask({ id: 3, subscribe: { channel: 'quiet:a' } });
    rig.advance(13_600);
    expect(rig.channels.renewed).toEqual([`a ${connection.client.id} `]);
    rig.advance(26_800);
    expect(rig.channels.renewed).toHaveLength(1);
    rig.advance(300);
    expect(rig.channels.renewed).toHaveLength(2);
    await connection.ask({ id: 4, unsubscribe: { channel: 'a' } });
    rig.advance(60_000);
    expect(rig.channels.renewed).toHaveLength(2);
  });
});
