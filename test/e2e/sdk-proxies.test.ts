import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Application, type Asked, type Question } from '../support/application.js';
import { GrpcApplication } from '../support/grpc-application.js';
import { connected, json, newClient, next, now, protobuf, type SdkClient, subscriptionToken } from '../support/sdk.js';
import { startServer, type TestServer } from '../support/server.js';

interface Ended {
  code: number;
  reason: string;
}

describe.each([
  ['over HTTP', () => Application.open()],
  ['over gRPC', () => GrpcApplication.open()],
])('%s', (_protocol, start: () => Promise<Asked>) => {
  let application: Asked;
  let server: TestServer;
  /** What the application says, by path. */
  let answers: Record<string, (question: Question) => object>;

  const names = ['connect', 'refresh', 'subscribe', 'publish', 'sub_refresh', 'rpc'];

  beforeAll(async () => {
    application = await start();
    application.answer = (question) => answers[question.path.slice(1)]!(question);
    const proxy = (name: string) => ({ endpoint: application.endpoint(name), timeout: '5s' });
    server = await startServer({
      client: {
        expired_sub_close_delay: '100ms',
        proxy: {
          connect: {
            enabled: true,
            ...proxy('connect'),
            http_headers: ['User-Agent'],
            emulated_headers: ['Authorization'],
          },
          refresh: { enabled: true, ...proxy('refresh') },
        },
      },
      channel: {
        proxy: {
          subscribe: { ...proxy('subscribe'), include_connection_meta: true },
          publish: proxy('publish'),
          sub_refresh: proxy('sub_refresh'),
        },
        namespaces: [
          {
            name: 'asked',
            subscribe_proxy_enabled: true,
            publish_proxy_enabled: true,
            sub_refresh_proxy_enabled: true,
          },
          { name: 'open', allow_subscribe_for_client: true, presence: true },
        ],
      },
      rpc: {
        proxy: proxy('rpc'),
        namespaces: [{ name: 'app', proxy_enabled: true }],
        ping: { enabled: true },
      },
    });
  });

  afterAll(async () => {
    await server.stop();
    await application.close();
  });

  beforeEach(() => {
    application.questions.length = 0;
    answers = Object.fromEntries(names.map((name) => [name, () => ({ result: {} })]));
    answers.connect = () => ({ result: { user: 'ann' } });
  });

  const asked = (name: string) => application.questions.filter(({ path }) => path === `/${name}`);
  const withoutToken = (options: object = {}) => ({ token: '', ...options });

  describe.each([json, protobuf])('$name', (flavour) => {
    const open = (options: object = {}): Promise<SdkClient> => connected(server, flavour, '', withoutToken(options));

    test('the application lets a client in, with data and subscriptions', async () => {
      answers.connect = () => ({
        result: { user: 'ann', data: { hello: 1 }, channels: ['open:a'], meta: { m: 1 } },
      });
      const client = newClient(server, flavour, '', withoutToken({ headers: { Authorization: 'Bearer x' } }));
      const is = next<{ data: unknown }>(client.centrifuge, 'connected');
      const published = next<{ data: unknown; channel: string }>(client.centrifuge, 'publication');
      await client.connect();
      expect(flavour.decode((await is).data)).toEqual({ hello: 1 });
      const { headers, body } = asked('connect')[0]!;
      expect(headers.authorization).toBe('Bearer x');
      expect(body).toMatchObject({ client: client.id, transport: 'websocket', protocol: flavour.name.toLowerCase() });
      await server.publish('open:a', { n: 1 });
      const { channel, data } = await published;
      expect([channel, flavour.decode(data)]).toEqual(['open:a', { n: 1 }]);
      await client.subscribe('asked:b');
      expect(asked('subscribe')[0]!.body).toMatchObject({ user: 'ann', channel: 'asked:b', meta: { m: 1 } });
    });

    test('or shuts it out', async () => {
      answers.connect = () => ({ disconnect: { code: 4501, reason: 'unauthorized' } });
      const client = newClient(server, flavour, '', withoutToken());
      const ended = next<Ended>(client.centrifuge, 'disconnected');
      client.centrifuge.connect();
      expect(await ended).toEqual({ code: 4501, reason: 'unauthorized' });
    });

    test('it decides on subscriptions and publications', async () => {
      answers.subscribe = ({ body }) =>
        body.channel === 'asked:mine'
          ? { result: { data: { greeting: 1 } } }
          : { error: { code: 1403, message: 'no' } };
      answers.publish = ({ body }) => ({ result: { data: { seen: body.data } } });
      const client = await open();
      const mine = await client.subscribe('asked:mine');
      const closed = client.subscription('asked:other').subscription;
      const refused = next<Ended>(closed, 'unsubscribed');
      closed.subscribe();
      expect(await refused).toMatchObject({ code: 1403, reason: 'no' });
      await mine.subscription.publish(flavour.encode({ n: 1 }));
      expect(await mine.data(1)).toEqual([{ seen: { n: 1 } }]);
      answers.publish = () => ({ error: { code: 1500, message: 'rude' } });
      await expect(mine.subscription.publish(flavour.encode({}))).rejects.toMatchObject({
        code: 1500,
        message: 'rude',
      });
    });

    test('it answers calls', async () => {
      answers.rpc = ({ body }) => ({ result: { data: { sum: body.data.a + body.data.b } } });
      const client = await open();
      const { data } = await client.centrifuge.rpc('app:add', flavour.encode({ a: 1, b: 2 }));
      expect(flavour.decode(data)).toEqual({ sum: 3 });
      expect(asked('rpc')[0]!.body).toMatchObject({ user: 'ann', method: 'app:add' });
      await client.centrifuge.rpc('ping', flavour.encode({}));
      await expect(client.centrifuge.rpc('app2:x', flavour.encode({}))).rejects.toMatchObject({ code: 104 });
      await expect(client.centrifuge.rpc('x', flavour.encode({}))).rejects.toMatchObject({ code: 108 });
      expect(asked('rpc')).toHaveLength(1);
    });

    test('it renews what expires, and lets it end', async () => {
      answers.connect = () => ({ result: { user: 'ann', expire_at: now() + 2 } });
      answers.subscribe = () => ({ result: { expire_at: now() + 2 } });
      const renewed = (name: string): Promise<void> =>
        new Promise((resolve) => {
          answers[name] = () => {
            if (asked(name).length > 1) resolve();
            return { result: { expire_at: now() + 2 } };
          };
        });
      const both = Promise.all([renewed('refresh'), renewed('sub_refresh')]);
      const client = await open();
      const { subscription } = await client.subscribe('asked:short');
      await both;
      expect([client.centrifuge.state, subscription.state]).toEqual(['connected', 'subscribed']);
      expect(client.sockets).toHaveLength(1);
      const unsubscribed = next<Ended>(subscription, 'subscribing');
      answers.sub_refresh = () => ({ result: { expired: true } });
      expect(await unsubscribed).toMatchObject({ code: 2501 });
      const ended = next<Ended>(client.centrifuge, 'connecting');
      answers.refresh = () => ({ result: { expired: true } });
      expect(await ended).toMatchObject({ code: 3005 });
    });
  });

  test('a token is good for a client of its own, and for a subscription', async () => {
    const client = await connected(server, json, 'bob');
    await client.subscribe('asked:x', { token: subscriptionToken('bob', 'asked:x') });
    expect(application.questions).toEqual([]);
  });
});
