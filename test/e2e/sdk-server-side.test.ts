import { once } from 'node:events';
import { beforeAll, describe, expect, test } from 'vitest';
import { connected, connectionToken, json, newClient, next, now, protobuf, type SdkClient } from '../support/sdk.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    client: { subscribe_to_user_personal_channel: { enabled: true, personal_channel_namespace: 'personal' } },
    channel: {
      without_namespace: { allow_subscribe_for_client: true, presence: true },
      namespaces: [
        { name: 'personal', allow_user_limited_channels: true },
        { name: 'kept', history_size: 10, history_ttl: '1m', force_recovery: true },
      ],
    },
  });
  return () => server.stop();
});

interface Push {
  channel: string;
  data?: unknown;
  recovered?: boolean;
  wasRecovering?: boolean;
}

interface Ended {
  code: number;
  reason: string;
}

describe.each([json, protobuf])('$name', (flavour) => {
  const named = (name: string): string => `${flavour.name}-${name}`;

  const publication = (client: SdkClient, channel: string): Promise<unknown> =>
    next<Push>(client.centrifuge, 'publication', (push) => push.channel === channel).then(({ data }) =>
      flavour.decode(data),
    );

  test('channels of the token and the personal channel are there from the start', async () => {
    const [user, one, two] = [named('starter'), named('one'), named('two')];
    const personal = `personal:#${user}`;
    const subscribed: Push[] = [];
    const start = async (claims: object): Promise<SdkClient> => {
      const client = newClient(server, flavour, user, { token: connectionToken(user, claims) });
      subscribed.length = 0;
      client.centrifuge.on('subscribed', (push) => subscribed.push(push));
      return client.connect();
    };
    const channels = () => subscribed.map(({ channel }) => channel).sort();
    await start({ channels: [one, two] });
    expect(channels()).toEqual([one, two, personal].sort());
    // As in Centrifugo, a token with `subs` says it all there.
    const client = await start({ channels: [one], subs: { [two]: { data: { welcome: true } } } });
    expect(channels()).toEqual([two, personal].sort());
    const welcome = subscribed.find(({ channel }) => channel === two)!;
    expect(flavour.decode(welcome.data)).toEqual({ welcome: true });
    for (const { channel } of subscribed) {
      const arrived = publication(client, channel);
      await server.publish(channel, { to: channel });
      expect(await arrived).toEqual({ to: channel });
    }
  });

  test('the backend subscribes and unsubscribes all connections of a user, whatever their worker', async () => {
    const [user, channel] = [named('managed'), named('managed')];
    const mine = await Promise.all([1, 2, 3, 4].map(() => connected(server, flavour, user)));
    const other = await connected(server, flavour, named('other'));
    const subscribed = mine.map(({ centrifuge }) => next<Push>(centrifuge, 'subscribed'));
    await server.api('subscribe', { user, channel, data: { hello: 1 } });
    for (const push of await Promise.all(subscribed)) {
      expect(push.channel).toBe(channel);
      expect(flavour.decode(push.data)).toEqual({ hello: 1 });
    }
    expect(await server.api('presence_stats', { channel })).toEqual({ num_clients: 4, num_users: 1 });
    let strays = 0;
    other.centrifuge.on('publication', () => strays++);
    const arrived = Promise.all(mine.map((client) => publication(client, channel)));
    await server.publish(channel, { n: 1 });
    expect(await arrived).toEqual([1, 2, 3, 4].map(() => ({ n: 1 })));

    const ended = Promise.all(mine.map(({ centrifuge }) => next<Push>(centrifuge, 'unsubscribed')));
    await server.api('unsubscribe', { user, channel });
    expect((await ended).map((push) => push.channel)).toEqual(mine.map(() => channel));
    expect(await server.api('presence_stats', { channel })).toEqual({ num_clients: 0, num_users: 0 });
    expect(strays).toBe(0);
  });

  test('server-side subscriptions recover too', async () => {
    const [user, channel] = [named('recovering'), `kept:${named('side')}`];
    const client = newClient(server, flavour, user, { token: connectionToken(user, { channels: [channel] }) });
    const received: unknown[] = [];
    client.centrifuge.on('publication', ({ data }) => received.push(flavour.decode(data)));
    await client.connect();
    const first = publication(client, channel);
    await server.publish(channel, { n: 0 });
    await first;
    const back = next<Push>(client.centrifuge, 'subscribed', (push) => push.channel === channel);
    const closed = once(client.sockets[0]!, 'close');
    client.sockets[0]!.pause(); // what is published from here on does not arrive on this socket
    await server.publish(channel, { n: 1 });
    await server.publish(channel, { n: 2 });
    client.sockets[0]!.terminate();
    await closed;
    expect(await back).toMatchObject({ wasRecovering: true, recovered: true });
    const last = publication(client, channel);
    await server.publish(channel, { n: 3 });
    await last;
    expect(received).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }]);
  });

  test('the backend ends a subscription that the client made', async () => {
    const [user, channel] = [named('subscriber'), named('subscribed')];
    const client = await connected(server, flavour, user);
    const { subscription } = await client.subscribe(channel);
    const ended = next<Ended>(subscription, 'unsubscribed');
    await server.api('unsubscribe', { user, channel });
    expect(await ended).toMatchObject({ code: 2000, reason: 'server unsubscribe' });
  });

  test('the backend disconnects: all of a user, one connection, all but some, for good or not', async () => {
    const user = named('unwanted');
    const all = await Promise.all([1, 2, 3, 4].map(() => connected(server, flavour, user)));
    const [first, second, third, fourth] = all as [SdkClient, SdkClient, SdkClient, SdkClient];
    const gone = (client: SdkClient) => next<Ended>(client.centrifuge, 'disconnected');
    let ended = gone(first);
    await server.api('disconnect', { user, client: first.id });
    expect(await ended).toEqual({ code: 3503, reason: 'force disconnect' });

    ended = gone(second);
    const others = gone(third);
    await server.api('disconnect', { user, whitelist: [fourth.id], disconnect: { code: 4900, reason: 'own' } });
    expect(await Promise.all([ended, others])).toEqual([1, 2].map(() => ({ code: 4900, reason: 'own' })));
    expect(fourth.centrifuge.state).toBe('connected');

    const reconnected = next(fourth.centrifuge, 'connected');
    await server.api('disconnect', { user, disconnect: { code: 4100, reason: 'again' } });
    await reconnected;
    expect(fourth.sockets).toHaveLength(2);
  });

  test('the backend refreshes: a new expiry, or the end', async () => {
    const user = named('refreshed');
    let asked = 0;
    const getToken = () => Promise.resolve(connectionToken(user, { n: ++asked }));
    const client = await connected(server, flavour, user, { getToken });
    await server.api('refresh', { user, expire_at: now() + 100 });
    expect(client.centrifuge.state).toBe('connected');
    const ended = next<Ended>(client.centrifuge, 'connecting');
    await server.api('refresh', { user, expired: true });
    expect(await ended).toEqual({ code: 3005, reason: 'connection expired' });
  });
});
