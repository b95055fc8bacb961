import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import type { ClientError } from '../../src/protocol/codes.js';
import type { EventProxy } from '../../src/proxy/event-proxy.js';
import { askRpc, openStream } from '../../src/proxy/events.js';
import type { StreamListener, SubscribeStream } from '../../src/proxy/subscribe-stream.js';
import { Application } from '../support/application.js';
import { about, type Logged, proxyTo, texts } from '../support/asking.js';
import { GrpcApplication } from '../support/grpc-application.js';
import { until } from '../support/until.js';

const failed = { failed: true };
const request = { channel: 'ch', data: Buffer.from('{"d":1}') };
const open = (proxy: EventProxy, bidirectional: boolean): SubscribeStream =>
  openStream(proxy, about(), request, bidirectional)!;

class Listener implements StreamListener {
  readonly received: object[] = [];
  orderly: boolean | undefined;

  publication(publication: object): void {
    this.received.push(texts(publication));
  }

  ended(orderly: boolean): void {
    this.orderly = orderly;
  }
}

const published = (stream: SubscribeStream, data: string): Promise<ClientError | null> =>
  new Promise((resolve) => stream.publish(Buffer.from(data), resolve));

test('there are none over HTTP', async () => {
  const { url } = await Application.start();
  expect(openStream(await proxyTo(url), about(), request, false)).toBeUndefined();
});

describe.each([
  ['unidirectional', false],
  ['bidirectional', true],
])('%s', (_name, bidirectional) => {
  test('the question is that of a subscribe', async () => {
    const application = await GrpcApplication.start();
    const proxy = await proxyTo(application.url, { include_connection_meta: true, http_headers: ['cookie'] });
    const headers = { transport: { cookie: 'a=b' }, emulated: {} };
    await openStream(proxy, about({ headers }), request, bidirectional)!.answer;
    expect(application.questions[0]).toMatchObject({
      headers: { cookie: 'a=b' },
      body: {
        client: 'c1',
        transport: 'websocket',
        protocol: 'json',
        encoding: 'json',
        user: 'ann',
        channel: 'ch',
        data: { d: 1 },
        meta: { m: 1 },
      },
    });
  });

  test('the answer is that of a subscribe', async () => {
    const application = await GrpcApplication.start();
    const override = { presence: { value: true }, force_recovery: { value: false } };
    application.answer = () => ({ result: { expire_at: 5, info: { i: 1 }, data: [1], override } });
    expect(texts(await open(await proxyTo(application.url), bidirectional).answer)).toEqual({
      result: { expireAt: 5, info: '{"i":1}', data: '[1]', override: { presence: true, forceRecovery: false } },
    });
  });

  test.each([
    [
      'an error',
      { error: { code: 1000, message: 'no' } },
      { refusal: { code: 1000, message: 'no', temporary: false } },
    ],
    ['a disconnect', { disconnect: { code: 4500, reason: 'bye' } }, { refusal: { code: 4500, reason: 'bye' } }],
    ['a publication first', { publication: { data: 1 } }, failed],
    ['what is not base64', { result: { b64data: '%' } }, failed],
  ])('%s ends the stream', async (_what, answer, expected) => {
    const application = await GrpcApplication.start();
    application.answer = () => answer;
    expect(await open(await proxyTo(application.url), bidirectional).answer).toEqual(expected);
    const stream = await application.stream(1);
    await until('it is cancelled', () => stream.cancelled);
  });

  test('no answer: a status, nobody there, too late', async () => {
    const application = await GrpcApplication.start();
    const logged: Logged[] = [];
    application.answer = () => ({ grpc: status.UNAUTHENTICATED, details: 'who' });
    expect(await open(await proxyTo(application.url, {}, logged), bidirectional).answer).toEqual(failed);
    expect(logged[0]!.fields).toMatchObject({ reason: 'who', code: 'UNAUTHENTICATED' });
    application.hold();
    expect(await open(await proxyTo(application.url, { timeout: '50ms' }), bidirectional).answer).toEqual(failed);
    const proxy = await proxyTo(application.url);
    await application.close();
    expect(await open(proxy, bidirectional).answer).toEqual(failed);
  });

  test('publications wait for the start, and then come in order', async () => {
    const application = await GrpcApplication.start();
    application.onStream = (side) => {
      for (let n = 0; n < 100; n++) side.send({ n }, { n: String(n) });
    };
    const proxy = await proxyTo(application.url);
    const stream = open(proxy, bidirectional);
    await stream.answer;
    // By the same connection: what was sent before it is there.
    await askRpc(proxy, about(), { method: 'm' });
    const listener = new Listener();
    stream.start(listener);
    await until('all are there', () => listener.received.length === 100);
    expect(listener.received[99]).toEqual({ offset: 0, data: '{"n":99}', tags: { n: '99' } });
    expect(listener.received.map((each) => JSON.parse((each as { data: string }).data).n)).toEqual(
      Array.from({ length: 100 }, (_, n) => n),
    );
  });

  test('until then the application is held back', async () => {
    const application = await GrpcApplication.start();
    const proxy = await proxyTo(application.url);
    const stream = open(proxy, bidirectional);
    await stream.answer;
    const side = await application.stream(1);
    const big = 'x'.repeat(1_000_000);
    let sent = 0;
    while (side.send(big)) sent++;
    let isDrained = false;
    const drained = side.drained().then(() => {
      isDrained = true;
    });
    for (let i = 0; i < 20; i++) await askRpc(proxy, about(), { method: 'm' });
    expect(isDrained).toBe(false);
    const listener = new Listener();
    stream.start(listener);
    await drained;
    await until('all are there', () => listener.received.length === sent + 1);
  });

  test.each([
    ['it ends', (side: { end(): void }) => side.end(), true],
    ['it fails', (side: { fail(): void }) => side.fail(), false],
  ])('%s: after what was sent before, started or not', async (_how, finish, orderly) => {
    const application = await GrpcApplication.start();
    const proxy = await proxyTo(application.url);
    for (const early of [true, false]) {
      const stream = open(proxy, bidirectional);
      await stream.answer;
      const listener = new Listener();
      if (early) stream.start(listener);
      const side = await application.stream(early ? 1 : 2);
      side.send(1);
      finish(side);
      if (!early) stream.start(listener);
      await until('it is over', () => listener.orderly !== undefined);
      expect(listener).toMatchObject({ received: [{ data: '1' }], orderly });
    }
  });

  test('closed by us: the application is told, the listener is not', async () => {
    const application = await GrpcApplication.start();
    const logged: Logged[] = [];
    const proxy = await proxyTo(application.url, {}, logged);
    const stream = open(proxy, bidirectional);
    await stream.answer;
    const listener = new Listener();
    stream.start(listener);
    stream.close();
    stream.close();
    const side = await application.stream(1);
    await until('it is cancelled', () => side.cancelled);
    application.hold();
    const opening = open(proxy, bidirectional);
    await application.asked(2);
    opening.close();
    expect(await opening.answer).toEqual(failed);
    expect([listener.orderly, logged]).toEqual([undefined, []]);
  });
});

describe('what the client publishes', () => {
  test('gets to the application, in order, on a bidirectional stream only', async () => {
    const application = await GrpcApplication.start();
    const proxy = await proxyTo(application.url);
    const [oneWay, bothWays] = [open(proxy, false), open(proxy, true)];
    await oneWay.answer;
    await bothWays.answer;
    expect(await published(oneWay, '1')).toMatchObject({ code: 108 });
    expect(await Promise.all(['1', '2', '3'].map((data) => published(bothWays, data)))).toEqual([null, null, null]);
    await until('they are there', () => application.streams.some(({ received }) => received.length === 3));
    expect(application.streams.find(({ received }) => received.length > 0)!.received).toEqual([1, 2, 3]);
  });

  test('waits for an application that does not read, and fails when the stream does', async () => {
    const application = await GrpcApplication.start();
    const stream = open(await proxyTo(application.url), true);
    await stream.answer;
    const side = await application.stream(1);
    side.pause();
    const big = `"${'x'.repeat(1 << 20)}"`;
    const outcomes: (ClientError | null)[] = [];
    for (let i = 0; i < 16; i++) stream.publish(Buffer.from(big), (error) => outcomes.push(error));
    stream.start(new Listener());
    side.fail();
    await until('all are answered', () => outcomes.length === 16);
    expect(outcomes.at(-1)).toMatchObject({ code: 100 });
    expect(await published(stream, '1')).toMatchObject({ code: 108 });
  });
});
