import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { configSchema, type ProxyConfig } from '../../src/config/config.js';
import { EventProxy, type Subject } from '../../src/proxy/event-proxy.js';
import { askConnect, askPublish, askRefresh, askRpc, askSubRefresh, askSubscribe } from '../../src/proxy/events.js';
import { NO_HEADERS } from '../../src/proxy/headers.js';
import { Application } from '../support/application.js';

let application: Application;
const logged: { fields: { proxy: string; failures: number; reason: string }; message: string }[] = [];

beforeEach(async () => {
  application = await Application.start();
  logged.length = 0;
});

function proxyWith(options: object = {}): EventProxy {
  const config: ProxyConfig = configSchema.parse({
    rpc: { proxy: { endpoint: application.url, timeout: '5s', ...options } },
  }).rpc.proxy;
  const log = {
    error: (fields: object, message: string) => logged.push({ fields, message } as (typeof logged)[0]),
    info() {},
  };
  const proxy = new EventProxy('rpc.proxy', config, undefined, log);
  onTestFinished(() => proxy.close());
  return proxy;
}

const bytes = (text: string): Buffer => Buffer.from(text);
const about = (changes: Partial<Subject> = {}): Subject => ({
  id: 'c1',
  user: 'ann',
  transport: 'websocket',
  codec: { name: 'json' },
  meta: bytes('{"m":1}'),
  headers: NO_HEADERS,
  ...changes,
});
const base = { client: 'c1', transport: 'websocket', protocol: 'json', encoding: 'json' };
const connectRequest = { token: '', name: '', version: '', flag: 0 };
const texts = (result: object): object =>
  JSON.parse(JSON.stringify(result, (_key, value) => (value?.type === 'Buffer' ? String(Buffer.from(value)) : value)));

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
    await askIt(proxyWith(), about());
    expect(application.questions[0]!.body).toEqual({ ...base, ...who, ...own, ...data });
    await askIt(proxyWith({ include_connection_meta: true }), about());
    const meta = event === 'connect' ? {} : { meta: { m: 1 } };
    expect(application.questions[1]!.body).toEqual({ ...base, ...who, ...own, ...data, ...meta });
    await askIt(proxyWith({ binary_encoding: true }), about());
    const b64data = event.includes('refresh') ? {} : { b64data: bytes('{"d": 1}').toString('base64') };
    expect(application.questions[2]!.body).toEqual({ ...base, encoding: 'binary', ...who, ...own, ...b64data });
  });

  test('what is empty is left out, but for the user', async () => {
    await askRpc(proxyWith({ include_connection_meta: true }), about({ user: '', meta: undefined }), { method: '' });
    expect(application.questions[0]!.body).toEqual({ ...base, user: '' });
    await askConnect(proxyWith(), about(), connectRequest);
    expect(application.questions[1]!.body).toEqual(base);
  });

  test('data of a Protobuf connection has to be JSON where it is sent as JSON', async () => {
    const who = about({ codec: { name: 'protobuf' } });
    const question = { method: 'm', data: bytes('1,"user":"root"') };
    expect(await askRpc(proxyWith(), who, question)).toEqual({ failed: true });
    expect(application.questions).toEqual([]);
    await askRpc(proxyWith({ binary_encoding: true }), who, question);
    expect(application.questions[0]!.body).toMatchObject({
      protocol: 'protobuf',
      b64data: question.data.toString('base64'),
    });
    await askRpc(proxyWith(), who, { method: 'm', data: bytes('[1]') });
    expect(application.questions[1]!.body.data).toEqual([1]);
  });

  test('the frame that it came in may be gone when the question leaves', async () => {
    const data = bytes('"before"');
    const asked = askRpc(proxyWith(), about(), { method: 'm', data });
    data.fill(0x20);
    await asked;
    expect(application.questions[0]!.body.data).toBe('before');
  });

  test('has the headers that the rules say', async () => {
    const headers = { transport: { cookie: 'a=b' }, emulated: { authorization: 'Bearer x' } };
    const http = { static_headers: { 'X-Static': 's' } };
    const proxy = proxyWith({ http_headers: ['Cookie'], emulated_headers: ['Authorization'], http });
    await askRpc(proxy, about({ headers }), { method: 'm' });
    expect(application.questions[0]!.headers).toMatchObject({
      'content-type': 'application/json',
      cookie: 'a=b',
      authorization: 'Bearer x',
      'x-static': 's',
    });
  });

  test('a header value that cannot be sent is a failure of this question alone', async () => {
    const proxy = proxyWith({ emulated_headers: ['x'] });
    const headers = { transport: {}, emulated: { x: 'a\r\nEvil: 1' } };
    expect(await askRpc(proxy, about({ headers }), { method: 'm' })).toEqual({ failed: true });
    expect(await askRpc(proxy, about(), { method: 'm' })).toEqual({ result: {} });
  });
});

describe('the answer', () => {
  const answered = async (answer: unknown) => {
    application.answer = () => ({ text: typeof answer === 'string' ? answer : JSON.stringify(answer) });
    return askConnect(proxyWith(), about(), connectRequest);
  };

  test.each([
    ['nothing in it', '{}'],
    ['null', 'null'],
    ['result null', '{"result": null, "error": null, "disconnect": null}'],
  ])('%s is an answer without result', async (_what, text) => {
    expect(await answered(text)).toEqual({ result: undefined });
  });

  test.each([
    ['no text', ''],
    ['no JSON', '<html>'],
    ['a list', '[]'],
    ['text after it', '{} {}'],
    ['a field of the wrong type', '{"result": {"user": 1}}'],
    ['a result that is none', '{"result": "ok"}'],
    ['what is not base64', '{"result": {"b64info": "%"}}'],
    ['an error code out of range', '{"error": {"code": -1}}'],
  ])('%s is a failure', async (_what, text) => {
    expect(await answered(text)).toEqual({ failed: true });
    expect(logged).toHaveLength(1);
  });

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
        subs: { b: { info: 1, b64data: b64, override, cache_recover: true, expire_at: 5 }, c: null },
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

  test('base64 wins over JSON, except in publish, where the caller decides', async () => {
    const both = { data: 1, b64data: bytes('2').toString('base64'), info: 3, b64info: bytes('4').toString('base64') };
    application.answer = () => ({ result: both });
    const proxy = proxyWith();
    const result = async (asked: Promise<object>) => texts(((await asked) as { result: object }).result);
    expect(await result(askRpc(proxy, about(), { method: 'm' }))).toMatchObject({ data: '2' });
    expect(await result(askSubscribe(proxy, about(), { channel: 'c' }))).toMatchObject({ data: '2', info: '4' });
    expect(await result(askRefresh(proxy, about()))).toMatchObject({ info: '4' });
    expect(await result(askSubRefresh(proxy, about(), 'c'))).toMatchObject({ info: '4' });
    expect(await result(askPublish(proxy, about(), { channel: 'c' }))).toMatchObject({ data: '1', b64data: '2' });
  });

  test('base64 with line breaks is base64', async () => {
    application.answer = () => ({ result: { b64data: 'AAEC\r\nAwQF\n' } });
    const answer = await askRpc(proxyWith(), about(), { method: 'm' });
    expect([...(answer as { result: { data: Buffer } }).result.data]).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('payloads stay as they were written', async () => {
    application.answer = () => ({ text: '{"result": {"data": {"big": 12345678901234567890,  "x":1.50}}}' });
    const answer = await askRpc(proxyWith(), about(), { method: 'm' });
    expect(String((answer as { result: { data: Buffer } }).result.data)).toBe(
      '{"big": 12345678901234567890,  "x":1.50}',
    );
  });
});

describe('an HTTP status other than 200', () => {
  const http = {
    status_to_code_transforms: [
      { status_code: 404, to_disconnect: { code: 4504, reason: 'not found' } },
      { status_code: 500, to_error: { code: 1200, message: 'try later', temporary: true } },
    ],
  };

  test.each([
    [404, { refusal: { code: 4504, reason: 'not found' } }],
    [500, { refusal: { code: 1200, message: 'try later', temporary: true } }],
    [503, { failed: true }],
    [201, { failed: true }],
    [302, { failed: true }],
  ])('%i', async (status, expected) => {
    application.answer = () => ({ status, text: '{"result":{}}' });
    expect(await askRpc(proxyWith({ http }), about(), { method: 'm' })).toEqual(expected);
  });
});

test('no answer in time is a failure, and so is nobody there', async () => {
  application.hold();
  expect(await askRpc(proxyWith({ timeout: '50ms' }), about(), { method: 'm' })).toEqual({ failed: true });
  const proxy = proxyWith();
  await application.close();
  expect(await askRpc(proxy, about(), { method: 'm' })).toEqual({ failed: true });
});

test('the log tells of failures once a second, how many there were, and neither endpoint nor payload', async () => {
  application.answer = () => ({ text: 'secret nonsense' });
  const proxy = proxyWith({ endpoint: `http://us:er@127.0.0.1:${application.port}/path` });
  await Promise.all([1, 2, 3].map(() => askRpc(proxy, about(), { method: 'm', data: bytes('"payload"') })));
  expect(logged).toHaveLength(1);
  expect(logged[0]!.fields).toMatchObject({ proxy: 'rpc.proxy', failures: 1 });
  expect(JSON.stringify(logged)).not.toMatch(/us:er|\/path|secret|payload/);
});
