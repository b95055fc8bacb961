/** The application is asked about connections by HTTP streaming and Server-Sent Events as about any others. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Application, type Asked, type Question } from '../support/application.js';
import { GrpcApplication } from '../support/grpc-application.js';
import {
  connected,
  type Flavour,
  json,
  newClient,
  next,
  overHttp,
  protobuf,
  type StreamTransport,
} from '../support/sdk.js';
import { startServer, type TestServer, WORKERS } from '../support/server.js';

describe.each([
  ['over HTTP', () => Application.open()],
  ['over gRPC', () => GrpcApplication.open()],
])('%s', (_protocol, start: () => Promise<Asked>) => {
  let application: Asked;
  let server: TestServer;

  beforeAll(async () => {
    application = await start();
    const proxy = (event: string) => ({
      endpoint: application.endpoint(event),
      timeout: '10s',
      // The kind of request that a connection is made by is told by what it accepts.
      http_headers: ['Accept'],
      emulated_headers: ['X-Session'],
      include_connection_meta: true,
    });
    server = await startServer({
      http_stream: { enabled: true },
      sse: { enabled: true },
      client: { proxy: { connect: { enabled: true, ...proxy('connect') } } },
      channel: {
        proxy: { subscribe: proxy('subscribe'), publish: proxy('publish') },
        without_namespace: { subscribe_proxy_enabled: true, publish_proxy_enabled: true },
      },
      rpc: { proxy: proxy('rpc'), without_namespace: { proxy_enabled: true } },
    });
  });

  afterAll(async () => {
    await server.stop();
    await application.close();
  });

  beforeEach(() => {
    application.questions.length = 0;
    application.answer = ({ path, body }: Question) =>
      path === '/connect' ? { result: { user: 'ann', meta: { m: 1 } } } : { result: { data: body.data } };
  });

  const asked = (event: string) => application.questions.filter(({ path }) => path === `/${event}`);

  describe.each([
    ['HTTP streaming in JSON', 'http_stream', json, 'application/json'],
    ['HTTP streaming in Protobuf', 'http_stream', protobuf, 'application/octet-stream'],
    ['Server-Sent Events', 'sse', json, 'text/event-stream'],
  ] satisfies [string, StreamTransport, Flavour, string][])('%s', (_name, transport, flavour, accept) => {
    const options = () => ({ ...overHttp(server, transport), token: '', headers: { 'X-Session': 's' } });

    test('who it is, by the headers of its request; later events with these, whichever worker gets the command', async () => {
      const client = await connected(server, flavour, '', options());
      const headers = { accept, 'x-session': 's' };
      expect(asked('connect')).toMatchObject([{ headers, body: { client: client.id, transport } }]);
      const about = { headers, body: { client: client.id, user: 'ann', transport, meta: { m: 1 } } };

      // Every command is a request of its own: these reach all workers.
      const calls = Array.from({ length: 2 * WORKERS }, (_, n) => client.centrifuge.rpc('m', flavour.encode({ n })));
      const results = await Promise.all(calls);
      expect(results.map(({ data }) => flavour.decode(data))).toEqual(calls.map((_, n) => ({ n })));
      expect(asked('rpc')).toHaveLength(calls.length);
      for (const question of asked('rpc')) expect(question).toMatchObject(about);

      const heard = await client.subscribe('chat');
      await heard.subscription.publish(flavour.encode({ n: 1 }));
      expect(await heard.data(1)).toEqual([{ n: 1 }]);
      for (const event of ['subscribe', 'publish']) expect(asked(event)).toMatchObject([about]);
    });

    test('shut out', async () => {
      application.answer = () => ({ disconnect: { code: 4501, reason: 'unauthorized' } });
      const client = newClient(server, flavour, '', options());
      const ended = next<{ code: number }>(client.centrifuge, 'disconnected');
      client.centrifuge.connect();
      expect(await ended).toMatchObject({ code: 4501, reason: 'unauthorized' });
    });
  });
});
