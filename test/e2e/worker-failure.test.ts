/** What clients see of a worker that throws or hangs. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { hash32 } from '../../src/lib/hash.js';
import { connected, json, next, type SdkClient, type SdkSubscription, values } from '../support/sdk.js';
import { type ConfigPart, type LogLine, startServer, type TestServer, WORKERS } from '../support/server.js';

// Calls between threads are given up after five seconds, on a busy machine later.
vi.setConfig({ testTimeout: 60_000 });

const channelOptions = {
  allow_subscribe_for_client: true,
  allow_publish_for_client: true,
  history_size: 100,
  history_ttl: '1m',
  force_recovery: true,
  presence: true,
};

async function start(config: ConfigPart): Promise<TestServer> {
  const server = await startServer({ channel: { without_namespace: channelOptions }, ...config }, { faults: true });
  onTestFinished(() => server.stop());
  return server;
}

/** A channel of each worker. */
async function ownedChannels(server: TestServer): Promise<string[]> {
  const seed = await server.hashSeed;
  const candidates = Array.from({ length: 1000 }, (_, i) => `channel${i}`);
  return Array.from(
    { length: WORKERS },
    (_, slot) => candidates.find((name) => hash32(name, seed) % WORKERS === slot)!,
  );
}

/** In turn, so that they spread evenly over the workers. */
async function clients(server: TestServer, count: number): Promise<SdkClient[]> {
  const made: SdkClient[] = [];
  for (let i = 0; i < count; i++) made.push(await connected(server, json, `user${i}`));
  return made;
}

const replaced =
  (slot: number) =>
  (line: LogLine): boolean =>
    line.msg === 'worker replaced' && line.slot === slot;

interface Subscribed {
  recovered: boolean;
  wasRecovering: boolean;
  streamPosition: { offset: number; epoch: string };
}

const back = ({ subscription }: SdkSubscription): Promise<Subscribed> => next<Subscribed>(subscription, 'subscribed');

test('a worker that throws is replaced: its clients recover, its channels start anew, nobody else notices', async () => {
  const server = await start({});
  const all = await clients(server, 2 * WORKERS);
  const [alive, , lost] = (await ownedChannels(server)) as [string, string, string];
  const onAlive = await Promise.all(all.map((client) => client.subscribe(alive)));
  const onLost = await Promise.all(all.map((client) => client.subscribe(lost)));
  await server.publish(alive, { n: 0 });
  const { epoch } = await server.publish(lost, { n: 0 });
  await Promise.all([...onAlive, ...onLost].map((subscription) => subscription.data(1)));

  for (let round = 1; round <= 2; round++) {
    const before = all.map(({ id }) => id);
    const told = Promise.all(onLost.map(back));
    const isReplaced = server.nextLogged(replaced(2));
    await server.inflict('throw', 2);
    for (const subscribed of await told) {
      expect(subscribed).toMatchObject({ wasRecovering: true, recovered: false });
      expect(subscribed.streamPosition.epoch).not.toBe(epoch);
    }
    await isReplaced;
    await server.publish(alive, { n: round });
    for (const subscription of onAlive) {
      expect(await subscription.data(round + 1)).toEqual(values(round + 1));
    }
    // In the first round every fourth connection was the worker's; then the spread is by chance.
    const moved = all.filter(({ id }, i) => id !== before[i]);
    if (round === 1) expect(moved).toHaveLength(2);
  }
  await server.publish(lost, { n: 1 });
  for (const subscription of onLost) expect(await subscription.data(2)).toEqual(values(2));
  const { num_clients } = await server.api<{ num_clients: number }>('presence_stats', { channel: lost });
  expect(num_clients).toBe(all.length);
  expect(server.log.filter(({ msg }) => msg === 'worker failed and is being replaced')).toHaveLength(2);
});

test('what is published while the clients of a failed worker are away is recovered from owners that live', async () => {
  const server = await start({});
  const all = await clients(server, WORKERS);
  const [channel] = (await ownedChannels(server)) as [string];
  const subscriptions = await Promise.all(all.map((client) => client.subscribe(channel)));
  const cut = Promise.race(all.map(({ centrifuge }) => next(centrifuge, 'connecting')));
  const subscribed = Promise.race(subscriptions.map(back));
  await server.inflict('throw', 3);
  await cut;
  const steady = all.find(({ centrifuge }) => centrifuge.state === 'connected')!;
  for (const value of values(10)) await steady.centrifuge.publish(channel, value);
  expect(await subscribed).toMatchObject({ wasRecovering: true, recovered: true });
  for (const subscription of subscriptions) {
    expect(await subscription.data(10)).toEqual(values(10));
    expect(subscription.offsets).toEqual(values(10).map(({ n }) => n + 1));
  }
});

test('several workers that throw at once are replaced', async () => {
  const server = await start({});
  const all = await clients(server, 2 * WORKERS);
  const channels = await ownedChannels(server);
  const subscriptions = await Promise.all(
    channels.map((channel) => Promise.all(all.map((client) => client.subscribe(channel)))),
  );
  const told = Promise.all([1, 2].flatMap((slot) => subscriptions[slot]!.map(back)));
  const areReplaced = Promise.all([1, 2].map((slot) => server.nextLogged(replaced(slot))));
  await server.inflict('throw', 1);
  await server.inflict('throw', 2);
  await Promise.all([told, areReplaced]);
  await Promise.all(all.map(({ centrifuge }) => centrifuge.ready()));
  await Promise.all(subscriptions.flat().map(({ subscription }) => subscription.ready()));
  for (const channel of channels) await server.publish(channel, { channel });
  for (const [slot, channel] of channels.entries()) {
    for (const subscription of subscriptions[slot]!) expect(await subscription.data(1)).toEqual([{ channel }]);
  }
});

test('the only worker is replaced too', async () => {
  const server = await start({ workers: { count: 1 } });
  const [client] = (await clients(server, 1)) as [SdkClient];
  const subscription = await client.subscribe('channel');
  const { epoch } = await server.publish('channel', { n: 0 });
  await subscription.data(1);
  const told = back(subscription);
  await server.inflict('throw', 0);
  const subscribed = await told;
  expect(subscribed).toMatchObject({ wasRecovering: true, recovered: false });
  expect(subscribed.streamPosition.epoch).not.toBe(epoch);
  await server.publish('channel', { n: 1 });
  expect(await subscription.data(2)).toEqual(values(2));
});

test('a worker that hangs is reported; what it owns fails with 100, the rest goes on; then it is back', async () => {
  const server = await start({ workers: { count: WORKERS, hang_timeout: '2s' } });
  const all = await Promise.all(
    Array.from({ length: WORKERS }, (_, i) => connected(server, json, `user${i}`, { timeout: 15_000 })),
  );
  const [alive, stuck] = (await ownedChannels(server)) as [string, string];
  await server.inflict('hang', 1);
  const { silent_ms } = await server.logged(({ msg, slot }) => msg.startsWith('worker hangs') && slot === 1);
  expect(silent_ms).toBeGreaterThanOrEqual(2000);

  // New connections go to the others.
  const answers = await Promise.all(Array.from({ length: 2 * WORKERS }, () => server.request('GET', '/')));
  expect(answers.map(({ status }) => status)).toEqual(new Array(2 * WORKERS).fill(404));

  // One of the clients is on that worker, and waits.
  let answered = 0;
  const errors: unknown[] = [];
  const waiting = await new Promise<Promise<void>[]>((resolve) => {
    const attempts = all.map(async ({ centrifuge }) => {
      await centrifuge.publish(alive, { n: 1 });
      answered++;
      await centrifuge.publish(stuck, { n: 1 }).catch((error: unknown) => {
        errors.push(error);
        if (errors.length === WORKERS - 1) resolve(attempts);
      });
    });
  });
  expect(answered).toBe(WORKERS - 1);
  for (const error of errors) expect(error).toMatchObject({ code: 100 });

  const isBack = server.nextLogged(({ msg, slot }) => msg === 'worker is back' && slot === 1);
  await server.inflict('resume', 1);
  await isBack;
  await Promise.all(waiting);
  expect([answered, errors.length]).toEqual([WORKERS, WORKERS - 1]);
  for (const { centrifuge, sockets } of all) {
    await centrifuge.publish(stuck, { n: 2 });
    expect(sockets).toHaveLength(1);
  }
});

test('a worker that hangs does not keep the process from ending', async () => {
  const server = await startServer({ shutdown: { timeout: '1s' } }, { faults: true });
  const all = await clients(server, WORKERS);
  const ended = all.map(({ centrifuge }) => next<{ code: number }>(centrifuge, 'connecting').then(({ code }) => code));
  await server.inflict('hang', 1);
  server.signal('SIGTERM');
  expect(await server.exited).toBe('SIGKILL');
  expect(server.log.at(-1)).toMatchObject({ msg: 'shutdown takes too long', timeout_ms: 1000 });
  // The client of that worker finds its connection closed.
  expect((await Promise.all(ended)).sort()).toEqual([1, 3001, 3001, 3001]);
});

test('when workers keep failing the process gives up, in order', async () => {
  const server = await startServer({ workers: { count: 2 } }, { faults: true });
  const all = await clients(server, 4);
  const gaveUp = ({ msg }: LogLine): boolean => msg === 'workers keep failing';
  let failures = 0;
  while (!server.log.some(gaveUp)) {
    const goesOn = server.nextLogged((line) => line.msg === 'worker replaced' || gaveUp(line));
    await server.inflict('throw', failures++ % 2);
    await goesOn;
    // With connections on both, or on the one that is left.
    await Promise.race([server.exited, ...all.map(({ centrifuge }) => centrifuge.ready())]);
  }
  expect(failures).toBe(21);
  expect(await server.exited).toBe(1);
});
