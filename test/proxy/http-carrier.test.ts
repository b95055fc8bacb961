/** What is peculiar to HTTP, besides contract.test.ts. */
import { beforeEach, describe, expect, test } from 'vitest';
import { askConnect, askRpc } from '../../src/proxy/events.js';
import { Application } from '../support/application.js';
import { about, type Logged, proxyTo } from '../support/asking.js';

let application: Application;
const logged: Logged[] = [];

beforeEach(async () => {
  application = await Application.start();
  logged.length = 0;
});

const proxyWith = (options: object = {}) => proxyTo(application.url, options, logged);
const bytes = (text: string): Buffer => Buffer.from(text);
const connectRequest = { token: '', name: '', version: '', flag: 0 };
const answered = async (text: string) => {
  application.answer = () => ({ text });
  return askConnect(await proxyWith(), about(), connectRequest);
};

test('data of a Protobuf connection has to be JSON where it is sent as JSON', async () => {
  const who = about({ codec: { name: 'protobuf' } });
  const question = { method: 'm', data: bytes('1,"user":"root"') };
  expect(await askRpc(await proxyWith(), who, question)).toEqual({ failed: true });
  expect(application.questions).toEqual([]);
  await askRpc(await proxyWith({ binary_encoding: true }), who, question);
  expect(application.questions[0]!.body).toMatchObject({
    protocol: 'protobuf',
    b64data: question.data.toString('base64'),
  });
  await askRpc(await proxyWith(), who, { method: 'm', data: bytes('[1]') });
  expect(application.questions[1]!.body.data).toEqual([1]);
});

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

test('payloads stay as they were written', async () => {
  application.answer = () => ({ text: '{"result": {"data": {"big": 12345678901234567890,  "x":1.50}}}' });
  const answer = await askRpc(await proxyWith(), about(), { method: 'm' });
  expect(String((answer as { result: { data: Buffer } }).result.data)).toBe('{"big": 12345678901234567890,  "x":1.50}');
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
    expect(await askRpc(await proxyWith({ http }), about(), { method: 'm' })).toEqual(expected);
  });
});

test('the log tells of failures once a second, how many there were, and neither endpoint nor payload', async () => {
  application.answer = () => ({ text: 'secret nonsense' });
  const proxy = await proxyWith({ endpoint: `http://us:er@127.0.0.1:${application.port}/path` });
  await Promise.all([1, 2, 3].map(() => askRpc(proxy, about(), { method: 'm', data: bytes('"payload"') })));
  expect(logged).toHaveLength(1);
  expect(logged[0]!.fields).toMatchObject({ proxy: 'rpc.proxy', failures: 1 });
  expect(JSON.stringify(logged)).not.toMatch(/us:er|\/path|secret|payload/);
});
