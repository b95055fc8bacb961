import { expect, test } from 'vitest';
import { answered, errorOf, type MakeOptions, proxied } from '../support/proxied.js';

const withRpc =
  (rpc: object = {}): MakeOptions =>
  (url) => ({
    rpc: { proxy: { endpoint: `${url}/rpc`, timeout: '10s' }, without_namespace: { proxy_enabled: true }, ...rpc },
    proxies: [{ name: 'other', endpoint: `${url}/other`, timeout: '10s', binary_encoding: true }],
  });
const rpc = (method: string, data: unknown = { d: 1 }) => ({ id: 2, rpc: { method, data } });

test('the application answers', async () => {
  const { application, rig } = await proxied(withRpc());
  application.answer = () => ({ result: { data: { year: 2024 } } });
  const connection = await rig.connect();
  expect(await answered(connection, rpc('get'))).toEqual([{ id: 2, rpc: { data: { year: 2024 } } }]);
  expect(application.questions[0]).toMatchObject({
    path: '/rpc',
    body: { client: connection.client.id, user: 'ann', method: 'get', data: { d: 1 } },
  });
  application.answer = () => ({});
  expect(await answered(connection, rpc('get'))).toEqual([{ id: 2, rpc: {} }]);
});

test('binary data for Protobuf connections', async () => {
  const { application, rig } = await proxied(
    withRpc({ without_namespace: { proxy_enabled: true, proxy_name: 'other' } }),
  );
  application.answer = ({ body }) => ({ result: { b64data: body.b64data } });
  const connection = await rig.connect('ann', {}, { protocol: 'protobuf' });
  const data = Buffer.from([0, 1, 2]);
  const [reply] = await answered(connection, rpc('echo', data));
  expect(Buffer.from(reply.rpc.data)).toEqual(data);
  expect(application.questions[0]!.body).toMatchObject({ protocol: 'protobuf', encoding: 'binary' });
});

test.each([
  ['an error', { error: { code: 1000, message: 'no' } }, 1000, undefined],
  ['a disconnect', { disconnect: { code: 4500, reason: 'bye' } }, undefined, 4500],
  ['nonsense', { text: 'x' }, 100, undefined],
])('%s', async (_what, answer, error, close) => {
  const { application, rig } = await proxied(withRpc());
  application.answer = () => answer;
  const connection = await rig.connect();
  expect(errorOf(await answered(connection, rpc('get')))).toBe(error);
  expect(connection.closeCode).toBe(close);
});

test('namespaces have their own proxies, or none', async () => {
  const namespaces = [
    { name: 'other', proxy_enabled: true, proxy_name: 'other' },
    { name: 'off' },
    { name: 'own', proxy_enabled: true },
  ];
  const { application, rig } = await proxied(withRpc({ namespaces, ping: { enabled: true } }));
  const connection = await rig.connect();
  const methods = ['other:a:b', 'own:a', ':a', 'a'];
  for (const method of methods) await answered(connection, rpc(method));
  expect(application.questions.map(({ path, body }) => [path, body.method])).toEqual([
    ['/other', 'other:a:b'],
    ['/rpc', 'own:a'],
    ['/rpc', ':a'],
    ['/rpc', 'a'],
  ]);
  expect(errorOf(await answered(connection, rpc('off:a')))).toBe(108);
  expect(errorOf(await answered(connection, rpc('none:a')))).toBe(104);
  expect(await answered(connection, rpc('ping'))).toEqual([{ id: 2, rpc: {} }]);
  expect(application.questions).toHaveLength(4);
});

test('the boundary can be another, or none', async () => {
  const namespaces = [{ name: 'off' }];
  const slash = await proxied(withRpc({ namespaces, namespace_boundary: '/' }));
  const connection = await slash.rig.connect();
  expect(errorOf(await answered(connection, rpc('off/a')))).toBe(108);
  expect(errorOf(await answered(connection, rpc('off:a')))).toBeUndefined();
  const none = await proxied(withRpc({ namespaces, namespace_boundary: '' }));
  expect(errorOf(await answered(await none.rig.connect(), rpc('off:a')))).toBeUndefined();
});

test('without namespace it is off unless switched on', async () => {
  const namespaces = [{ name: 'own', proxy_enabled: true }];
  const { application, rig } = await proxied(withRpc({ namespaces, without_namespace: {} }));
  expect(errorOf(await answered(await rig.connect(), rpc('get')))).toBe(108);
  expect(application.questions).toEqual([]);
});
