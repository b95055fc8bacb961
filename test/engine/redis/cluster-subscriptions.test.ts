import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ClusterShard } from '../../../src/engine/redis/cluster-shard.js';
import { errors } from '../../../src/protocol/codes.js';
import { FakeLinks } from '../../support/fake-links.js';
import { lent } from './lent.js';

/** Its slot is 866: with two masters at the first. */
const CHANNEL = 'hello';
/** Its slot is 12182: at the second. */
const OTHER = 'foo';
const TWO_LOOKS_MS = 14_000;

let cluster: FakeLinks;
let shard: ClusterShard;
let heard: string[];

beforeEach(async () => {
  vi.useFakeTimers();
  heard = [];
  cluster = new FakeLinks();
  shard = cluster.open({
    message: (channel, bytes, start, end) => heard.push(`${channel}: ${bytes.subarray(start, end)}`),
    interrupted: (channel) => heard.push(`${channel} interrupted`),
  });
  await vi.advanceTimersByTimeAsync(TWO_LOOKS_MS);
});
afterEach(() => {
  shard.close();
  vi.useRealTimers();
});

const say = (port: number, text: string): void => cluster.at(port).events.message(CHANNEL, ...lent(Buffer.from(text)));

async function masters(...ports: number[]): Promise<void> {
  cluster.view = { masters: ports, isUsable: true };
  await vi.advanceTimersByTimeAsync(TWO_LOOKS_MS);
}

describe('a subscription', () => {
  it('is made at the master of its slot', async () => {
    await Promise.all([shard.subscribe(CHANNEL), shard.subscribe(OTHER)]);
    expect(cluster.at(1).pubSub).toEqual([`subscribe ${CHANNEL}`]);
    expect(cluster.at(2).pubSub).toEqual([`subscribe ${OTHER}`]);
  });

  it('is made once, however often it is asked for', async () => {
    const first = shard.subscribe(CHANNEL);
    await Promise.all([first, shard.subscribe(CHANNEL)]);
    await shard.subscribe(CHANNEL);
    expect(cluster.at(1).pubSub).toEqual([`subscribe ${CHANNEL}`]);
  });

  it('that was refused can be asked for again', async () => {
    cluster.at(1).confirmsSubscriptions = false;
    await expect(shard.subscribe(CHANNEL)).rejects.toBe(errors.internal);
    cluster.at(1).confirmsSubscriptions = true;
    await shard.subscribe(CHANNEL);
    say(1, 'x');
    expect(heard).toEqual([`${CHANNEL}: x`]);
  });

  it('says when its server is away, and stays', async () => {
    await shard.subscribe(CHANNEL);
    cluster.at(1).connected = false;
    await expect(shard.subscribe(CHANNEL)).rejects.toBe(errors.internal);
    cluster.at(1).connected = true;
    say(1, 'x');
    expect(heard).toEqual([`${CHANNEL}: x`]);
  });

  it('hears messages and interruptions, until it ends', async () => {
    await shard.subscribe(CHANNEL);
    say(1, 'x');
    cluster.at(1).events.interrupted(CHANNEL);
    shard.unsubscribe(CHANNEL);
    say(1, 'y');
    cluster.at(1).events.interrupted(CHANNEL);
    expect(heard).toEqual([`${CHANNEL}: x`, `${CHANNEL} interrupted`]);
    expect(cluster.at(1).pubSub).toEqual([`subscribe ${CHANNEL}`, `unsubscribe ${CHANNEL}`]);
  });
});

describe('a slot that has another master', () => {
  it('takes the subscription along: there first, then away from here', async () => {
    await shard.subscribe(CHANNEL);
    const order: string[] = [];
    cluster.at(1).pubSub.push = (what) => order.push(`1: ${what}`);
    cluster.at(2).pubSub.push = (what) => order.push(`2: ${what}`);
    await masters(2, 1);
    expect(order).toEqual([`2: subscribe ${CHANNEL}`, `1: unsubscribe ${CHANNEL}`]);
    expect(heard).toEqual([`${CHANNEL} interrupted`]);
    say(1, 'from the old');
    say(2, 'from the new');
    expect(heard).toEqual([`${CHANNEL} interrupted`, `${CHANNEL}: from the new`]);
  });

  it('takes all of them along, however many', async () => {
    const channels = Array.from({ length: 10_000 }, (_, i) => `${i}{${CHANNEL}}`);
    await Promise.all(channels.map((channel) => shard.subscribe(channel)));
    await masters(2, 1);
    expect(heard).toEqual(channels.map((channel) => `${channel} interrupted`));
    expect(cluster.at(2).pubSub).toHaveLength(channels.length);
  });

  it('leaves it with the old one until the new one has confirmed', async () => {
    await shard.subscribe(CHANNEL);
    cluster.at(2).confirmsSubscriptions = false;
    await masters(2, 1);
    say(1, 'from the old');
    say(2, 'from the new');
    expect(heard).toEqual([`${CHANNEL}: from the old`]);
    expect(cluster.at(1).pubSub).toEqual([`subscribe ${CHANNEL}`]);
    cluster.at(2).confirmsSubscriptions = true;
    await vi.advanceTimersByTimeAsync(300);
    expect(heard).toEqual([`${CHANNEL}: from the old`, `${CHANNEL} interrupted`]);
  });

  it('keeps a server that left the map until its subscriptions are elsewhere', async () => {
    await shard.subscribe(CHANNEL);
    cluster.at(2).confirmsSubscriptions = false;
    await masters(2);
    expect(cluster.at(1).isClosed).toBe(false);
    cluster.at(2).confirmsSubscriptions = true;
    await vi.advanceTimersByTimeAsync(300);
    expect(cluster.at(1).isClosed).toBe(true);
  });

  it('is noticed when it changed while the subscription was on its way', async () => {
    let confirm = (): void => {};
    cluster.at(1).subscribe = () => new Promise((resolve) => (confirm = resolve));
    const subscribed = shard.subscribe(CHANNEL);
    await masters(2, 1);
    expect(cluster.at(2).pubSub).toEqual([]);
    confirm();
    await subscribed;
    await vi.advanceTimersByTimeAsync(0);
    expect(cluster.at(2).pubSub).toEqual([`subscribe ${CHANNEL}`]);
    expect(heard).toEqual([`${CHANNEL} interrupted`]);
  });

  it('leaves nothing behind when the subscription ends on the way', async () => {
    await shard.subscribe(CHANNEL);
    let confirm = (): void => {};
    cluster.at(2).subscribe = () => new Promise((resolve) => (confirm = resolve));
    await masters(2, 1);
    shard.unsubscribe(CHANNEL);
    confirm();
    await vi.advanceTimersByTimeAsync(TWO_LOOKS_MS);
    expect(cluster.at(1).pubSub).toEqual([`subscribe ${CHANNEL}`, `unsubscribe ${CHANNEL}`]);
    expect(cluster.at(2).pubSub).toEqual([`unsubscribe ${CHANNEL}`]);
    expect(heard).toEqual([]);
  });

  it('does not mix up a subscription that ended on the way with the one that followed', async () => {
    await shard.subscribe(CHANNEL);
    const confirm: (() => void)[] = [];
    cluster.at(2).subscribe = () => new Promise((resolve) => confirm.push(resolve));
    await masters(2, 1);
    shard.unsubscribe(CHANNEL);
    const again = shard.subscribe(CHANNEL);
    for (const one of confirm) one();
    await again;
    say(2, 'x');
    expect(heard).toEqual([`${CHANNEL}: x`]);
    // Neither server is thought to be in use when the last subscription is gone.
    shard.unsubscribe(CHANNEL);
    await masters(3);
    expect([cluster.at(1).isClosed, cluster.at(2).isClosed]).toEqual([true, true]);
  });
});
