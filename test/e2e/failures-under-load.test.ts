/** Workers fail one after the other while everybody publishes and asks: nobody is told that all is well when it is not. */
import { expect, onTestFinished, test } from 'vitest';
import { connected, json, protobuf, type SdkClient, type SdkSubscription } from '../support/sdk.js';
import { startServer, type TestServer, WORKERS } from '../support/server.js';

const CHANNELS = Array.from({ length: 2 * WORKERS }, (_, i) => `channel${i}`);
const FAILURES = [1, 3, 0, 2, 1, 0, 0, 3];

/** Follows the promises of a subscription: no gap within an epoch, and a recovery only within one. */
class Follower {
  readonly violations: string[] = [];
  private offset: number | undefined;
  private epoch = '';

  constructor({ subscription }: SdkSubscription) {
    subscription.on('subscribed', ({ recovered, streamPosition }) => {
      const { offset, epoch } = streamPosition!;
      if (!recovered) this.offset = offset;
      else if (this.epoch !== epoch) this.violations.push(`recovered from ${this.epoch} to ${epoch}`);
      this.epoch = epoch;
    });
    subscription.on('publication', ({ channel, offset }) => {
      if (offset !== this.offset! + 1) this.violations.push(`${channel}: ${offset} after ${this.offset}`);
      this.offset = offset;
    });
  }
}

/** Asks the API until told to stop; requests of a worker that fails end without an answer. */
async function load(server: TestServer, until: { stop: boolean }): Promise<void> {
  const commands = CHANNELS.map((channel) => ({ publish: { channel, data: {} } }));
  while (!until.stop) {
    await server.call('broadcast', { channels: CHANNELS, data: {} }).catch(() => {});
    await server.call('batch', { commands, parallel: true }).catch(() => {});
    await server.call('info', {}).catch(() => {});
    await server.call('history', { channel: CHANNELS[0], limit: 10 }).catch(() => {});
  }
}

async function follow(client: SdkClient): Promise<Follower[]> {
  const followers = CHANNELS.map((channel) => {
    const made = client.subscription(channel);
    const follower = new Follower(made);
    made.subscription.subscribe();
    return { made, follower };
  });
  await Promise.all(followers.map(({ made }) => made.subscription.ready()));
  return followers.map(({ follower }) => follower);
}

test('in the end all clients are there, and none has seen a gap that it was not told of', async () => {
  const server = await startServer(
    {
      client: { user_connection_limit: 2 },
      channel: {
        without_namespace: {
          allow_subscribe_for_client: true,
          history_size: 300,
          history_ttl: '1m',
          force_recovery: true,
          presence: true,
          join_leave: true,
          force_push_join_leave: true,
        },
      },
    },
    { faults: true },
  );
  onTestFinished(() => server.stop());
  const clients = await Promise.all(
    Array.from({ length: 16 }, (_, i) => connected(server, i % 2 ? json : protobuf, `user${i % 8}`)),
  );
  const followers = (await Promise.all(clients.map(follow))).flat();
  const until = { stop: false };
  const loads = Array.from({ length: 6 }, () => load(server, until));
  for (const slot of FAILURES) {
    const replaced = server.nextLogged((line) => line.msg === 'worker replaced' && line.slot === slot);
    await server.inflict('throw', slot);
    await replaced;
  }
  until.stop = true;
  await Promise.all(loads);
  await Promise.all(clients.map(({ centrifuge }) => centrifuge.ready()));
  expect(followers.flatMap(({ violations }) => violations)).toEqual([]);
  const failed = server.log.filter(({ msg }) => msg === 'worker failed and is being replaced');
  expect(failed.map(({ slot }) => slot)).toEqual(FAILURES);
  const { nodes } = await server.api<{ nodes: [object] }>('info');
  expect(nodes[0]).toMatchObject({ num_clients: clients.length, num_users: 8 });
});
