import { beforeAll, describe, expect, test } from 'vitest';
import {
  connected,
  connectionToken,
  json,
  newClient,
  next,
  now,
  protobuf,
  type SdkClient,
  subscriptionToken,
} from '../support/sdk.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    client: { expired_close_delay: '1s', expired_sub_close_delay: '1s' },
    channel: { without_namespace: { allow_publish_for_subscriber: true } },
  });
  return () => server.stop();
});

interface Ended {
  code: number;
  reason: string;
}

/** Hands out tokens, and tells when it has been asked `count` times. */
class Issuer {
  asked = 0;
  private waiting: { count: number; resolve: () => void } | undefined;

  constructor(private readonly make: (asked: number) => string) {}

  readonly getToken = (): Promise<string> => {
    this.asked++;
    if (this.asked === this.waiting?.count) this.waiting.resolve();
    return Promise.resolve(this.make(this.asked));
  };

  askedTimes(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.waiting = { count, resolve };
    });
  }
}

describe.each([json, protobuf])('$name', (flavour) => {
  const disconnected = async (client: SdkClient): Promise<Ended> => {
    const ended = next<Ended>(client.centrifuge, 'disconnected');
    client.centrifuge.connect();
    return ended;
  };

  test('an expired token is exchanged for a new one', async () => {
    const issuer = new Issuer(() => connectionToken('user'));
    const token = connectionToken('user', { exp: now() - 10 });
    await newClient(server, flavour, '', { token, getToken: issuer.getToken }).connect();
    expect(issuer.asked).toBe(1);
  });

  test('a token that is not valid ends the connection for good with 3500', async () => {
    const [header, payload] = connectionToken('user').split('.');
    for (const token of ['nonsense', `${header}.${payload}.AAAA`]) {
      const ended = await disconnected(newClient(server, flavour, '', { token }));
      expect(ended).toEqual({ code: 3500, reason: 'invalid token' });
    }
  });

  test('without a token it is 3501', async () => {
    const ended = await disconnected(newClient(server, flavour, '', { token: '' }));
    expect(ended).toEqual({ code: 3501, reason: 'bad request' });
  });

  test('a subscription token opens a channel that is closed otherwise', async () => {
    const client = await connected(server, flavour, 'user');
    const closed = client.subscription('closed').subscription;
    const refused = next<Ended>(closed, 'unsubscribed');
    closed.subscribe();
    expect((await refused).code).toBe(103);
    const open = await client.subscribe('open', { token: subscriptionToken('user', 'open') });
    await server.publish('open', { n: 1 });
    expect(await open.data(1)).toEqual([{ n: 1 }]);
  });

  test('a forged subscription token is refused with 103, one for another channel or user ends the connection', async () => {
    const client = await connected(server, flavour, 'user');
    const forged = client.subscription('mine', { token: `${subscriptionToken('user', 'mine')}x` }).subscription;
    const refused = next<Ended>(forged, 'unsubscribed');
    forged.subscribe();
    expect((await refused).code).toBe(103);
    for (const token of [subscriptionToken('user', 'theirs'), subscriptionToken('other', 'mine')]) {
      const other = await connected(server, flavour, 'user');
      const ended = next<Ended>(other.centrifuge, 'disconnected');
      other.subscription('mine', { token }).subscription.subscribe();
      expect(await ended).toEqual({ code: 3500, reason: 'invalid token' });
    }
  });
});

// Tokens live for whole seconds, so everything that waits for one to expire waits at the same time.
const flavours = [json, protobuf];

test('connections and subscriptions are refreshed before their tokens expire, again and again, and stay', async () => {
  const soon = () => ({ exp: now() + 2 });
  const connections = flavours.map(async (flavour) => {
    const issuer = new Issuer(() => connectionToken('user', soon()));
    // The first to connect. Only a refresh that was accepted is followed by another.
    const refreshedTwice = issuer.askedTimes(3);
    const client = await newClient(server, flavour, '', { token: '', getToken: issuer.getToken }).connect();
    const { id } = client;
    await refreshedTwice;
    expect(client.centrifuge.state).toBe('connected');
    expect([client.id, client.sockets.length]).toEqual([id, 1]);
  });
  const subscriptions = flavours.map(async (flavour) => {
    const issuer = new Issuer((asked) =>
      subscriptionToken('user', 'short', asked === 1 ? { exp: now() - 10 } : soon()),
    );
    // The first has expired when it is shown, the second is good to subscribe.
    const refreshedTwice = issuer.askedTimes(4);
    const client = await connected(server, flavour, 'user');
    const { subscription } = client.subscription('short', { getToken: issuer.getToken });
    const states: string[] = [];
    subscription.on('state', ({ newState }) => states.push(newState));
    subscription.subscribe();
    await refreshedTwice;
    expect(states).toEqual(['subscribing', 'subscribed']);
  });
  await Promise.all([...connections, ...subscriptions]);
});

test('without a refresh a connection ends with 3005, a subscription with 2501', async () => {
  const soon = () => ({ exp: now() + 1 });
  const never = () => new Promise<string>(() => {});
  const connections = flavours.map(async (flavour) => {
    const token = connectionToken('user', soon());
    const client = await newClient(server, flavour, '', { token, getToken: never }).connect();
    expect(await next<Ended>(client.centrifuge, 'connecting')).toEqual({ code: 3005, reason: 'connection expired' });
  });
  const subscriptions = flavours.map(async (flavour) => {
    const client = await connected(server, flavour, 'user');
    const token = subscriptionToken('user', 'late', soon());
    const { subscription } = await client.subscribe('late', { token, getToken: never });
    const ended = await next<Ended>(subscription, 'subscribing');
    expect(ended).toMatchObject({ code: 2501, reason: 'subscription expired' });
  });
  await Promise.all([...connections, ...subscriptions]);
});
