/** What is the same whatever the application is asked over. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { EventProxy } from '../../src/proxy/event-proxy.js';
import { askConnect, askPublish, askRefresh, askRpc, askSubRefresh, askSubscribe } from '../../src/proxy/events.js';
import { RUNNING_MAX_REQUESTS } from '../../src/proxy/gate.js';
import type { Subject } from '../../src/proxy/question.js';
import { Application, type Asked } from '../support/application.js';
import { about, type Logged, proxyTo, texts } from '../support/asking.js';
import { GrpcApplication } from '../support/grpc-application.js';
import { until } from '../support/until.js';

let application: Asked;
const logged: Logged[] = [];

const bytes = (text: string): Buffer => Buffer.from(text);
const base = { client: 'c1', transport: 'websocket', protocol: 'json', encoding: 'json' };
const connectRequest = { token: '', name: '', version: '', flag: 0 };

describe.each([
  ['HTTP', () => Application.start()],
  ['gRPC', () => GrpcApplication.start()],
])('%s', (protocol, start: () => Promise<Asked>) => {
  beforeEach(async () => {
    application = await start();
    logged.length = 0;
  });

  const proxyWith = (options: object = {}) => proxyTo(application.endpoint('rpc'), options, logged);

  describe('the question', () => {
    const ask = {
      connect: (proxy: EventProxy, who: Subject) =>
        askConnect(proxy, who, {
          ...connectRequest,
          data: bytes('{"d": 1}'),
          name: 'js',
          version: '1',
          subs: { a: {} as never, b: {} as never },
        }),
      refresh: (proxy: EventProxy, who: Subject) => askRefresh(proxy, who),
      subscribe: (proxy: EventProxy, who: Subject) =>
        askSubscribe(proxy, who, { channel: 'ch', data: bytes('{"d": 1}') }),
      publish: (proxy: EventProxy, who: Subject) => askPublish(proxy, who, { channel: 'ch', data: bytes('{"d": 1}') }),
      rpc: (proxy: EventProxy, who: Subject) => askRpc(proxy, who, { method: 'm', data: bytes('{"d": 1}') }),
      sub_refresh: (proxy: EventProxy, who: Subject) => askSubRefresh(proxy, who, 'ch'),
    };
    const named = { connect: { name: 'js', version: '1', channels: ['a', 'b'] }, rpc: { method: 'm' }, refresh: {} };

    test.each(Object.entries(ask))('%s', async (event, askIt) => {
      const own = named[event as keyof typeof named] ?? { channel: 'ch' };
      const who = event === 'connect' ? {} : { user: 'ann' };
      const data = event.includes('refresh') ? {} : { data: { d: 1 } };
      await askIt(await proxyWith(), about());
      expect(application.questions[0]!.body).toEqual({ ...base, ...who, ...own, ...data });
      await askIt(await proxyWith({ include_connection_meta: true }), about());
      const meta = event === 'connect' ? {} : { meta: { m: 1 } };
      expect(application.questions[1]!.body).toEqual({ ...base, ...who, ...own, ...data, ...meta });
      await askIt(await proxyWith({ binary_encoding: true }), about());
      const b64data = event.includes('refresh') ? {} : { b64data: bytes('{"d": 1}').toString('base64') };
      expect(application.questions[2]!.body).toEqual({ ...base, encoding: 'binary', ...who, ...own, ...b64data });
    });

    test('what is empty is left out, but for the user', async () => {
      await askRpc(await proxyWith({ include_connection_meta: true }), about({ user: '', meta: undefined }), {
        method: '',
      });
      expect(application.questions[0]!.body).toEqual({ ...base, user: '' });
      await askConnect(await proxyWith(), about(), connectRequest);
      expect(application.questions[1]!.body).toEqual(base);
    });

    test('the frame that it came in may be gone when the question leaves', async () => {
      const data = bytes('"before"');
      const asked = askRpc(await proxyWith(), about(), { method: 'm', data });
      data.fill(0x20);
      await asked;
      expect(application.questions[0]!.body.data).toBe('before');
    });

    test('has the headers that the rules say: static, over them emulated, over them those of the connection', async () => {
      const transport = { cookie: 'a=b', both: 'transport', other: 'x', host: 'x', connection: 'x', te: 'x' };
      const emulated = { authorization: 'Bearer x', both: 'emulated', static: 'emulated', other: 'x' };
      const fixed = { 'X-Static': 's', Static: 's', 'Content-Type': 'x', Both: 's' };
      const proxy = await proxyWith({
        http_headers: ['Cookie', 'Both', 'Host', 'Connection', 'TE'],
        emulated_headers: ['Authorization', 'BOTH', 'Static'],
        http: { static_headers: fixed },
        grpc: { static_metadata: fixed },
      });
      expect(await askRpc(proxy, about({ headers: { transport, emulated } }), { method: 'm' })).toEqual({ result: {} });
      const { headers } = application.questions[0]!;
      expect(headers).toMatchObject({
        cookie: 'a=b',
        authorization: 'Bearer x',
        both: 'transport',
        static: 'emulated',
        'x-static': 's',
      });
      expect(headers.other).toBeUndefined();
      expect(Object.values(headers)).not.toContain('x');
    });

    test('a header value that cannot be sent is a failure of this question alone', async () => {
      const proxy = await proxyWith({ emulated_headers: ['x'] });
      const headers = { transport: {}, emulated: { x: 'a\r\nEvil: 1' } };
      expect(await askRpc(proxy, about({ headers }), { method: 'm' })).toEqual({ failed: true });
      expect(await askRpc(proxy, about(), { method: 'm' })).toEqual({ result: {} });
    });
  });

  describe('the answer', () => {
    const answered = async (answer: object) => {
      application.answer = () => answer;
      return askConnect(await proxyWith(), about(), connectRequest);
    };

    test('errors and disconnects are the application’s own, disconnects first', async () => {
      const error = { code: 1000, message: 'custom', temporary: true };
      const disconnect = { code: 4500, reason: 'go away' };
      expect(await answered({ error })).toEqual({ refusal: error });
      expect(await answered({ error: { code: 1000 } })).toEqual({
        refusal: { code: 1000, message: '', temporary: false },
      });
      expect(await answered({ result: {}, error, disconnect })).toEqual({ refusal: disconnect });
    });

    test('connect: everything that it may say, fields that nobody knows aside', async () => {
      const b64 = bytes('\x00\x01').toString('base64');
      const override = { presence: { value: true }, force_recovery: { value: false }, join_leave: null };
      const answer = await answered({
        result: {
          user: 'ann',
          expire_at: 1_700_000_100,
          info: { name: 'Ann' },
          data: [1],
          meta: { n: 12 },
          channels: ['a'],
          subs: { b: { info: 1, b64data: b64, override, cache_recover: true, expire_at: 5 }, c: {} },
          caps: [{}],
          future: 1,
        },
      });
      expect(texts((answer as { result: object }).result)).toMatchObject({
        user: 'ann',
        expireAt: 1_700_000_100,
        info: '{"name":"Ann"}',
        data: '[1]',
        meta: '{"n":12}',
        channels: ['a'],
        subs: {
          b: { info: '1', data: '\x00\x01', cacheRecover: true, override: { presence: true, forceRecovery: false } },
          c: {},
        },
      });
    });

    test('publish: everything that it may say', async () => {
      const result = {
        data: { n: 1 },
        skip_history: true,
        tags: { a: 'b' },
        idempotency_key: 'k',
        delta: true,
        version: 2 ** 40,
        version_epoch: 'e',
      };
      application.answer = () => ({ result });
      const answer = await askPublish(await proxyWith(), about(), { channel: 'c' });
      expect(texts(answer)).toEqual({
        result: {
          data: '{"n":1}',
          // Over gRPC anything may come as data.
          isJson: protocol === 'HTTP',
          skipHistory: true,
          tags: { a: 'b' },
          idempotencyKey: 'k',
          delta: true,
          version: 2 ** 40,
          versionEpoch: 'e',
        },
      });
    });

    test('refresh, sub refresh: everything that they may say', async () => {
      application.answer = () => ({ result: { expired: true, expire_at: 1_700_000_100, info: [1], meta: { m: 2 } } });
      const proxy = await proxyWith();
      const said = { expired: true, expireAt: 1_700_000_100, info: '[1]' };
      expect(texts(await askRefresh(proxy, about()))).toMatchObject({ result: { ...said, meta: '{"m":2}' } });
      expect(texts(await askSubRefresh(proxy, about(), 'c'))).toMatchObject({ result: said });
    });

    test('what has the form of no answer is a failure, and so is what is not base64', async () => {
      expect(await answered({ text: '<html>', bytes: bytes('<html>') })).toEqual({ failed: true });
      expect(await answered({ result: { b64info: '%' } })).toEqual({ failed: true });
      expect(await answered({ result: { subs: { c: { b64data: '%' } } } })).toEqual({ failed: true });
    });

    test('an answer without anything in it has no result', async () => {
      expect(await answered({})).toEqual({ result: undefined });
    });

    test('base64 wins over JSON, except in publish', async () => {
      const both = { data: 1, b64data: bytes('2').toString('base64'), info: 3, b64info: bytes('4').toString('base64') };
      application.answer = () => ({ result: both });
      const proxy = await proxyWith();
      const result = async (asked: Promise<object>) => texts(((await asked) as { result: object }).result);
      expect(await result(askRpc(proxy, about(), { method: 'm' }))).toMatchObject({ data: '2' });
      expect(await result(askSubscribe(proxy, about(), { channel: 'c' }))).toMatchObject({ data: '2', info: '4' });
      expect(await result(askRefresh(proxy, about()))).toMatchObject({ info: '4' });
      expect(await result(askSubRefresh(proxy, about(), 'c'))).toMatchObject({ info: '4' });
      expect(await result(askPublish(proxy, about(), { channel: 'c' }))).toMatchObject({ data: '1' });
      application.answer = () => ({ result: { b64data: both.b64data } });
      expect(await result(askPublish(proxy, about(), { channel: 'c' }))).toMatchObject({ data: '2', isJson: false });
    });

    test('base64 with line breaks is base64', async () => {
      application.answer = () => ({ result: { b64data: 'AAEC\r\nAwQF\n' } });
      const answer = await askRpc(await proxyWith(), about(), { method: 'm' });
      expect([...(answer as { result: { data: Buffer } }).result.data]).toEqual([0, 1, 2, 3, 4, 5]);
    });
  });

  test('no answer in time is a failure, which the backend can tell, and so is nobody there', async () => {
    application.hold();
    expect(await askRpc(await proxyWith({ timeout: '50ms' }), about(), { method: 'm' })).toEqual({ failed: true });
    const proxy = await proxyWith();
    await application.close();
    expect(await askRpc(proxy, about(), { method: 'm' })).toEqual({ failed: true });
  });

  test('so many at a time, the others in turn', async () => {
    application.hold();
    const proxy = await proxyWith();
    const answers = Array.from({ length: RUNNING_MAX_REQUESTS + 10 }, () => askRpc(proxy, about(), { method: 'm' }));
    await until('as many as may be', () => application.waiting === RUNNING_MAX_REQUESTS);
    application.release();
    await until('the rest follows', () => application.waiting === 10);
    application.release();
    expect(await Promise.all(answers)).toEqual(answers.map(() => ({ result: {} })));
    expect(application.maxInFlight).toBe(RUNNING_MAX_REQUESTS);
  });

  test('a backend that holds its answers back holds nobody else up', async () => {
    const other = await start();
    application.hold();
    const slow = await proxyWith();
    const held = Promise.all(Array.from({ length: 300 }, () => askRpc(slow, about(), { method: 'm' })));
    await until('it is busy', () => application.waiting === RUNNING_MAX_REQUESTS);
    const quick = await proxyTo(other.endpoint('rpc'));
    expect(await askRpc(quick, about(), { method: 'm' })).toEqual({ result: {} });
    expect(application.waiting).toBe(RUNNING_MAX_REQUESTS);
    application.answer = () => ({ result: {} });
    application.release();
    expect(await held).toHaveLength(300);
  });

  test('the log tells of failures once a second, how many there were, and no payload', async () => {
    application.answer = () => ({ text: 'secret nonsense', bytes: bytes('secret nonsense') });
    const proxy = await proxyWith();
    const data = bytes('"payload"');
    await Promise.all([1, 2, 3].map(() => askRpc(proxy, about(), { method: 'm', data })));
    expect(logged).toHaveLength(1);
    expect(logged[0]!.fields).toMatchObject({ proxy: 'rpc.proxy', failures: 1 });
    expect(JSON.stringify(logged)).not.toMatch(/secret|payload/);
  });
});
