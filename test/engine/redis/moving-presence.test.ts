import { expect, test } from 'vitest';
import type { PresenceManager } from '../../../src/engine/engine.js';
import { MovingPresence } from '../../../src/engine/redis/moving-presence.js';
import { errors } from '../../../src/protocol/codes.js';

class Shard implements PresenceManager {
  readonly entries = new Map<string, Buffer>();
  away = false;

  async add(channel: string, client: string, user: string): Promise<void> {
    if (this.away) throw errors.internal;
    this.entries.set(`${channel} ${client}`, Buffer.from(user));
  }

  async remove(channel: string, client: string): Promise<void> {
    this.entries.delete(`${channel} ${client}`);
  }

  async presence(): Promise<Map<string, Buffer>> {
    return this.entries;
  }

  async stats(): Promise<{ numClients: number; numUsers: number }> {
    return { numClients: this.entries.size, numUsers: this.entries.size };
  }

  close(): void {}
}

function open() {
  const [before, now] = [new Shard(), new Shard()];
  const presence = new MovingPresence(before, now, (channel) => channel.startsWith('m'));
  return { before, now, presence };
}

const NOBODY = Buffer.alloc(0);

test('entries of moving channels are at both shards, and read where every node keeps its own', async () => {
  const { before, now, presence } = open();
  await presence.add('m', 'c1', 'u', NOBODY, 1000);
  await before.add('m', 'of-an-old-node', 'u');
  expect([...(await presence.presence('m')).keys()]).toEqual(['m c1', 'm of-an-old-node']);
  expect(await presence.stats('m')).toEqual({ numClients: 2, numUsers: 2 });
  presence.setOldNodesPresent(false);
  expect([...(await presence.presence('m')).keys()]).toEqual(['m c1']);
  expect(await presence.stats('m')).toEqual({ numClients: 1, numUsers: 1 });
  await presence.remove('m', 'c1', 'u');
  expect([now.entries.size, [...before.entries.keys()]]).toEqual([0, ['m of-an-old-node']]);
});

test('others are where they were', async () => {
  const { before, now, presence } = open();
  await presence.add('fixed', 'c1', 'u', NOBODY, 1000);
  expect([before.entries.size, now.entries.size]).toEqual([0, 1]);
  expect((await presence.presence('fixed')).size).toBe(1);
});

test('an entry that is not at both shards is not said to be there', async () => {
  const { before, presence } = open();
  before.away = true;
  await expect(presence.add('m', 'c1', 'u', NOBODY, 1000)).rejects.toBe(errors.internal);
});
