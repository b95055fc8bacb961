import { describe, expect, test } from 'vitest';
import { defaultConfig } from '../../src/config/config.js';
import { HeaderRules, NO_HEADERS, pick } from '../../src/proxy/headers.js';
import { Proxies } from '../../src/proxy/proxies.js';
import { Rig } from '../support/rig.js';

const rules = (options: {
  endpoint?: string;
  http_headers?: string[];
  grpc_metadata?: string[];
  emulated_headers?: string[];
  static_headers?: Record<string, string>;
}) => {
  const { static_headers = {}, ...rest } = options;
  const base = defaultConfig().rpc.proxy;
  return new HeaderRules({ ...base, endpoint: 'http://x/', ...rest, http: { ...base.http, static_headers } });
};

const type = { 'content-type': 'application/json' };

describe('the headers of a request', () => {
  test('are none of the client’s unless they are listed, each list for its own kind', () => {
    const client = { transport: { cookie: 'a=b', 'x-a': 't' }, emulated: { cookie: 'e', 'x-a': 'e' } };
    expect(rules({}).of(client)).toEqual(type);
    expect(rules({ http_headers: ['Cookie'] }).of(client)).toEqual({ ...type, cookie: 'a=b' });
    expect(rules({ emulated_headers: ['COOKIE'] }).of(client)).toEqual({ ...type, cookie: 'e' });
  });

  test('who came by a gRPC call has metadata, which has a list of its own', () => {
    const lists = { http_headers: ['a', 'b'], grpc_metadata: ['B', 'c'] };
    const transport = { a: '1', b: '2', c: '3' };
    expect(rules(lists).of({ transport, emulated: {} })).toEqual({ ...type, a: '1', b: '2' });
    expect(rules(lists).of({ transport, emulated: {}, overGrpc: true })).toEqual({ ...type, b: '2', c: '3' });
  });

  test('transport goes over emulated, and that over static', () => {
    const all = {
      http_headers: ['a', 'b'],
      emulated_headers: ['a', 'b', 'c'],
      static_headers: { A: '1', C: '1', D: '1' },
    };
    const client = { transport: { a: '3' }, emulated: { a: '2', b: '2', c: '2' } };
    expect(rules(all).of(client)).toEqual({ ...type, a: '3', b: '2', c: '2', d: '1' });
  });

  test('the content type is always ours, and what belongs to the connection is not passed on', () => {
    const names = ['Content-Type', 'Content-Length', 'Host', 'Connection', 'Transfer-Encoding', 'Upgrade', 'Expect'];
    const headers = Object.fromEntries(names.map((name) => [name.toLowerCase(), 'x']));
    const passed = rules({ http_headers: names, emulated_headers: names, static_headers: headers });
    expect(passed.of({ transport: headers, emulated: headers })).toEqual(type);
  });

  test('a name that every object has is no header', () => {
    expect(rules({ http_headers: ['constructor', '__proto__'] }).of(NO_HEADERS)).toEqual(type);
  });

  test('values are sent in UTF-8', () => {
    const { name } = rules({ emulated_headers: ['name'] }).of({ transport: {}, emulated: { name: 'Zoë' } });
    expect(Buffer.from(name!, 'latin1').toString()).toBe('Zoë');
  });

  test('user and password of the URL are basic authorization, unless a header says otherwise', () => {
    const endpoint = 'http://us%40er:pa%3Ass@host/';
    const basic = `Basic ${Buffer.from('us@er:pa:ss').toString('base64')}`;
    expect(rules({ endpoint }).of(NO_HEADERS)).toEqual({ ...type, authorization: basic });
    expect(rules({ endpoint, static_headers: { Authorization: 'own' } }).of(NO_HEADERS).authorization).toBe('own');
  });
});

test('picked names are in lower case, and nothing picked is one and the same object', () => {
  expect(pick({ 'X-A': '1', B: '2' }, new Set(['x-a']))).toEqual({ 'x-a': '1' });
  expect(pick({ B: '2' }, new Set(['x-a']))).toBe(NO_HEADERS.emulated);
});

describe('what is kept', () => {
  const endpoint = 'http://127.0.0.1:1/';
  const open = (connect: object, rpc: object | undefined) => {
    const { config } = new Rig({
      client: { proxy: { connect: { enabled: true, endpoint, ...connect } } },
      ...(rpc && { rpc: { proxy: { endpoint, ...rpc }, without_namespace: { proxy_enabled: true } } }),
    });
    const hints: object[] = [];
    return { hints, proxies: new Proxies(config, { error() {}, info: (fields) => hints.push(fields) }) };
  };

  test('only names that some proxy passes on are copied from requests', () => {
    const { proxies } = open({ http_headers: ['Cookie'] }, { http_headers: ['X-Later', 'cookie'] });
    expect(proxies.transportHeaders).toEqual(['cookie', 'x-later']);
    expect(open({}, {}).proxies.transportHeaders).toEqual([]);
  });

  test('nothing after the connect if only the connect proxy passes headers on', () => {
    const { proxies } = open({ http_headers: ['cookie'], emulated_headers: ['token'] }, {});
    const headers = proxies.headersOf({ cookie: 'a' }, { Token: 't', other: 'o' });
    expect(headers).toEqual({ transport: { cookie: 'a' }, emulated: { token: 't' } });
    expect(proxies.kept(headers)).toBe(NO_HEADERS);
  });

  test('what later proxies pass on, and no more', () => {
    const { proxies } = open({ http_headers: ['cookie', 'x'] }, { http_headers: ['x'], emulated_headers: ['token'] });
    const headers = proxies.headersOf({ cookie: 'a', x: '1' }, { token: 't', cookie: 'c' });
    expect(proxies.kept(headers)).toEqual({ transport: { x: '1' }, emulated: { token: 't' } });
  });

  test('so for the metadata of calls', () => {
    const { proxies } = open({ grpc_metadata: ['A', 'b'] }, { grpc_metadata: ['b'], http_headers: ['a'] });
    expect(proxies.metadata).toEqual(['a', 'b']);
    const headers = proxies.headersOf({ a: '1', b: '2' }, undefined, true);
    expect(proxies.kept(headers)).toEqual({ transport: { b: '2' }, emulated: {}, overGrpc: true });
    expect(open({ http_headers: ['a'] }, {}).proxies.headersOf({ a: '1' }, {}, true)).toBe(NO_HEADERS);
  });

  test('no proxy, no copy', () => {
    const proxies = new Proxies(defaultConfig(), { error() {}, info() {} });
    expect(proxies.headersOf({ 'x-user': 'ann' }, { a: 'b' })).toBe(NO_HEADERS);
  });

  test('an emulated header that only http_headers lists is mentioned, once in a while', () => {
    const { proxies, hints } = open({ http_headers: ['cookie', 'x'], emulated_headers: ['x'] }, undefined);
    proxies.headersOf({}, { x: '1', other: '2' });
    expect(hints).toEqual([]);
    proxies.headersOf({}, { Cookie: 'secret' });
    proxies.headersOf({}, { cookie: 'secret' });
    expect(hints).toEqual([{ headers: ['cookie'] }]);
  });
});
