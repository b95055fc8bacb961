import { describe, expect, test } from 'vitest';
import { checkConfig } from '../../src/config/check/check.js';
import { readWith } from './helpers.js';

const check = (content: object) => checkConfig(readWith(content).config);
const namespace = (options: object, more: object = {}) =>
  check({ channel: { namespaces: [{ name: 'ns', ...options }], ...more } });
const ns = (problem: string) => [`channel.namespaces["ns"]${problem}`];
const backend = { endpoint: 'http://localhost:3001/refresh', timeout: '5s' };

test('the defaults are good', () => expect(check({})).toEqual([]));

describe('http_server', () => {
  test('h2c needs another internal port and no TLS', () => {
    const needsPort = ['http_server.h2c_external: needs an internal_port that differs from port'];
    expect(check({ http_server: { h2c_external: true } })).toEqual(needsPort);
    expect(check({ http_server: { h2c_external: true, internal_port: '8000' } })).toEqual(needsPort);
    expect(check({ http_server: { h2c_external: true, internal_port: '9000' } })).toEqual([]);
    expect(check({ http_server: { h2c_external: true, internal_port: '9000', tls: { enabled: true } } })).toContain(
      'http_server.h2c_external: cannot be used together with tls',
    );
  });

  test('the internal port is a number', () => {
    for (const internal_port of ['0', '9000', '65535']) expect(check({ http_server: { internal_port } })).toEqual([]);
    for (const internal_port of ['http', '-1', '65536']) {
      expect(check({ http_server: { internal_port } })).toEqual([
        `http_server.internal_port: "${internal_port}" is not a port from 0 to 65535`,
      ]);
    }
  });

  test('TLS needs a key and a certificate, on a port that there is', () => {
    const tls = { enabled: true };
    const missing = (at: string) => [`${at}.key_pem: must be set`, `${at}.cert_pem: must be set`];
    expect(check({ http_server: { tls } })).toEqual(missing('http_server.tls'));
    expect(check({ http_server: { tls, internal_port: '9000', internal_tls: tls } })).toEqual([
      ...missing('http_server.tls'),
      ...missing('http_server.internal_tls'),
    ]);
    expect(check({ http_server: { internal_tls: tls } })).toEqual([]);
    expect(check({ grpc_api: { enabled: true, tls }, uni_grpc: { tls } })).toEqual(missing('grpc_api.tls'));
    expect(check({ uni_grpc: { enabled: true, tls } })).toEqual(missing('uni_grpc.tls'));
  });
});

test('tls_autocert', () => {
  const good = { enabled: true, http: true, host_whitelist: ['chat.example.org', 'bücher.example'] };
  const problems = (autocert: object) => check({ http_server: { tls_autocert: { ...good, ...autocert } } });
  const at = (problem: string) => [`http_server.tls_autocert.${problem}`];
  expect(problems({})).toEqual([]);
  expect(problems({ server_name: 'chat.example.org', http_addr: '127.0.0.1:8080' })).toEqual([]);
  expect(problems({ enabled: false, http: false, host_whitelist: [] })).toEqual([]);
  expect(problems({ http: false })).toEqual(
    at('http: must be on: TLS-ALPN-01 challenges cannot be answered, only HTTP-01'),
  );
  expect(problems({ host_whitelist: [] })).toEqual(
    at('host_whitelist: must be set: certificates are asked for before clients come'),
  );
  for (const host of ['*.example.org', '127.0.0.1', '::1', 'a/b', 'a b', '']) {
    expect(problems({ host_whitelist: [host] })).toEqual(
      at(`host_whitelist: ${JSON.stringify(host)} is not a host name`),
    );
  }
  expect(problems({ host_whitelist: Array.from({ length: 101 }, (_, i) => `h${i}.example.org`) })).toEqual(
    at('host_whitelist: has more than 100 names'),
  );
  expect(problems({ server_name: 'other.example.org' })).toEqual(
    at('server_name: "other.example.org" is not in host_whitelist'),
  );
  expect(problems({ http_addr: 'http' })).toEqual(at('http_addr: "http" is not host:port'));
  expect(problems({ directory_url: 'ftp://x' })).toEqual(at('directory_url: is not a URL'));
});

describe('workers', () => {
  test('a ring is a power of two, owners are workers', () => {
    expect(check({ workers: { ring_size: 65536, count: 4, owners: 4 } })).toEqual([]);
    expect(check({ workers: { owners: 2, ring_size: 0 } })).toEqual([]);
    expect(check({ workers: { ring_size: 2048 } })).toHaveLength(1);
    expect(check({ workers: { ring_size: 65537, count: 1, owners: 2 } })).toEqual([
      'workers.ring_size: 65537 is neither 0 nor a power of two from 4096',
      'workers.owners: 2 is more than workers.count, 1',
    ]);
  });
});

describe('tokens', () => {
  test.each(['token', 'subscription_token'])('client.%s', (section) => {
    expect(check({ client: { [section]: { user_id_claim: 'user_id', audience_regex: '^a|b$' } } })).toEqual([]);
    const bad = { user_id_claim: 'user.id', audience: 'a', audience_regex: 'a', issuer_regex: '(' };
    const problems = check({ client: { [section]: bad } });
    expect(problems).toHaveLength(3);
    expect(problems[0]).toBe(`client.${section}.user_id_claim: "user.id" must match ^[a-zA-Z_]+$`);
    expect(problems[1]).toBe(`client.${section}.audience: cannot be used together with audience_regex`);
    expect(problems[2]).toMatch(/issuer_regex: "\(" is not a regular expression/);
  });
});

describe('names', () => {
  test.each(['channel', 'rpc'])('%s namespaces match the pattern and are unique', (section) => {
    const names = (...all: string[]) => check({ [section]: { namespaces: all.map((name) => ({ name })) } });
    expect(names('ab', 'A-b_c.1')).toEqual([]);
    expect(names('a')).toEqual([`${section}.namespaces[0].name: "a" must match ^[-a-zA-Z0-9_.]{2,}$`]);
    expect(names('ab', 'a b')).toEqual([`${section}.namespaces[1].name: "a b" must match ^[-a-zA-Z0-9_.]{2,}$`]);
    expect(names('ab', 'ab')).toEqual([`${section}.namespaces: the name "ab" is used twice; names must be unique`]);
    expect(check({ [section]: { namespaces: [{}] } })).toHaveLength(1);
  });

  test('proxies and consumers too', () => {
    expect(check({ proxies: [{ name: 'ab', ...backend }] })).toEqual([]);
    expect(check({ proxies: [{ name: 'default', ...backend }] })).toEqual([
      'proxies["default"]: the name "default" is reserved',
    ]);
    expect(check({ consumers: [{ name: 'a-b', type: 'kafka' }, { name: 'ok' }] })).toEqual([
      'consumers[0].name: "a-b" must match ^[a-zA-Z0-9_]{2,}$',
      'consumers["ok"].type: must be set',
    ]);
  });
});

describe('history', () => {
  const history = { history_size: 1, history_ttl: '1h' };

  test('size and TTL go together', () => {
    const problem = ns(': history needs both history_size and history_ttl; set both or neither');
    expect(namespace(history)).toEqual([]);
    expect(namespace({ history_size: 1 })).toEqual(problem);
    expect(namespace({ history_ttl: '1s' })).toEqual(problem);
    expect(check({ channel: { without_namespace: { history_size: 1 } } })[0]).toMatch(
      /^channel\.without_namespace: history/,
    );
  });

  test('positions outlive publications', () => {
    const tooShort = ns('.history_ttl: 1h is longer than history_meta_ttl, 30m; positions must outlive publications');
    expect(namespace({ ...history, history_meta_ttl: '30m' })).toEqual(tooShort);
    expect(namespace(history, { history_meta_ttl: '30m' })).toEqual(tooShort);
    expect(namespace({ ...history, history_meta_ttl: '1h' }, { history_meta_ttl: '30m' })).toEqual([]);
  });

  test('recovery needs history, automatic cache recovery needs cache mode', () => {
    expect(namespace({ force_recovery: true })).toEqual(ns('.force_recovery: needs history_size and history_ttl'));
    const cache = { ...history, force_recovery: true, force_recovery_mode: 'cache', auto_cache_recover: true };
    const needsCache = ns('.auto_cache_recover: needs force_recovery and force_recovery_mode "cache"');
    expect(namespace(cache)).toEqual([]);
    expect(namespace({ ...cache, force_recovery: false })).toEqual(needsCache);
    expect(namespace({ ...cache, force_recovery_mode: '' })).toEqual(needsCache);
  });

  test('a channel regex compiles', () => {
    expect(namespace({ channel_regex: '^[a-z]+$' })).toEqual([]);
    expect(namespace({ channel_regex: '[' })[0]).toMatch(/^channel\.namespaces\["ns"\]\.channel_regex: "\[" is not/);
    // A lookahead, which RE2 does not have.
    expect(namespace({ channel_regex: '(?=a)' })).toHaveLength(1);
  });
});

describe('proxies', () => {
  test('a proxy that is used has an endpoint and a timeout', () => {
    expect(check({ proxies: [{ name: 'ab' }] })).toEqual(['proxies["ab"].endpoint: must be set']);
    expect(check({ client: { proxy: { connect: { enabled: true }, refresh: { endpoint: '' } } } })).toEqual([
      'client.proxy.connect.endpoint: must be set',
    ]);
    expect(namespace({ subscribe_proxy_enabled: true })).toEqual(['channel.proxy.subscribe.endpoint: must be set']);
    expect(namespace({ map: { publish_proxy_enabled: true } })).toEqual([
      'channel.proxy.map_publish.endpoint: must be set',
    ]);
    expect(namespace({ publish_proxy_enabled: true }, { proxy: { publish: backend } })).toEqual([]);
    expect(check({ rpc: { without_namespace: { proxy_enabled: true } } })).toEqual(['rpc.proxy.endpoint: must be set']);
  });

  test('its URL and certificates can be used', () => {
    const connect = (options: object) => check({ client: { proxy: { connect: { enabled: true, ...options } } } });
    for (const endpoint of ['http://', 'https://a:b:c/', 'http://us%er:secret@host/']) {
      expect(connect({ endpoint })).toEqual(['client.proxy.connect.endpoint: is not a valid URL']);
    }
    expect(connect({ ...backend, http: { tls: { enabled: true, server_ca_pem: 'none.pem' } } })[0]).toMatch(
      /^client\.proxy\.connect\.http\.tls\.server_ca_pem: /,
    );
  });

  test('a name leads to a proxy, used or not', () => {
    expect(namespace({ publish_proxy_name: 'xx' })).toEqual(
      ns('.publish_proxy_name: there is no proxy "xx" in proxies'),
    );
    expect(namespace({ map: { remove_proxy_name: 'xx' } })).toEqual(
      ns('.map.remove_proxy_name: there is no proxy "xx" in proxies'),
    );
    const rpc = { namespaces: [{ name: 'ns', proxy_name: 'xx' }] };
    expect(check({ rpc })).toEqual(['rpc.namespaces["ns"].proxy_name: there is no proxy "xx" in proxies']);
    expect(check({ rpc, proxies: [{ name: 'xx', ...backend }] })).toEqual([]);
  });

  test('a stream proxy excludes the others', () => {
    const options = { subscribe_stream_proxy_enabled: true, publish_proxy_enabled: true };
    const subscribe_stream = { endpoint: 'grpc://127.0.0.1:1' };
    expect(namespace(options, { proxy: { publish: backend, subscribe_stream } })).toEqual(
      ns('.subscribe_stream_proxy_enabled: cannot be used together with publish_proxy_enabled'),
    );
  });

  test('a stream proxy is asked over gRPC', () => {
    const problem = 'subscribe streams need a gRPC endpoint';
    expect(namespace({ subscribe_stream_proxy_enabled: true }, { proxy: { subscribe_stream: backend } })).toEqual([
      `channel.proxy.subscribe_stream.endpoint: ${problem}`,
    ]);
    const named = { subscribe_stream_proxy_enabled: true, subscribe_stream_proxy_name: 'ab' };
    const channel = { namespaces: [{ name: 'ns', ...named }] };
    expect(check({ channel, proxies: [{ name: 'ab', ...backend }] })).toEqual([`proxies["ab"].endpoint: ${problem}`]);
    expect(check({ channel, proxies: [{ name: 'ab', endpoint: 'backend:1' }] })).toEqual([]);
  });

  test('a gRPC endpoint and what goes with its calls can be used', () => {
    const proxy = (options: object) => check({ proxies: [{ name: 'ab', endpoint: 'grpc://backend:1', ...options }] });
    const grpc = (options: object) => proxy({ grpc: options });
    for (const endpoint of ['grpc://h:1', 'grpc://h:1/', 'h:1', '[::1]:1', 'grpc://[::1]:1', 'dns:h:1', 'unix:/a/b']) {
      expect(proxy({ endpoint })).toEqual([]);
    }
    for (const endpoint of ['grpc://', 'grpc://us:er@h:1', 'h:1/path', 'h 1']) {
      expect(proxy({ endpoint })).toEqual(['proxies["ab"].endpoint: is neither a URL nor grpc://host:port']);
    }
    expect(grpc({ tls: { enabled: true, cert_pem: 'none.pem' } })[0]).toMatch(
      /^proxies\["ab"\]\.grpc\.tls\.cert_pem: /,
    );
    expect(grpc({ static_metadata: { 'a-b': 'c', 'a b': 'c' } })).toEqual([
      'proxies["ab"].grpc.static_metadata: "a b" cannot be a name',
    ]);
    expect(grpc({ static_metadata: { a: 'é' } })).toEqual([
      'proxies["ab"].grpc.static_metadata: the value of a is not printable ASCII',
    ]);
    expect(grpc({ credentials_key: 'a b' })).toEqual([
      'proxies["ab"].grpc.credentials_key: cannot be a name of metadata',
    ]);
    expect(grpc({ credentials_key: 'authorization', credentials_value: 'ü' })).toEqual([
      'proxies["ab"].grpc.credentials_value: is not printable ASCII',
    ]);
  });

  test('a status becomes one of an error and a disconnect', () => {
    const transform = (...status_to_code_transforms: object[]) =>
      check({ proxies: [{ name: 'ab', ...backend, http: { status_to_code_transforms } }] });
    const at = 'proxies["ab"].http.status_to_code_transforms[0]';
    expect(transform({ status_code: 404, to_error: { code: 404, message: 'gone' } })).toEqual([]);
    expect(transform({ to_error: { code: 404 } })).toEqual([`${at}.status_code: must be set`]);
    expect(transform({ status_code: 404 })).toEqual([`${at}: needs a code in to_error or in to_disconnect`]);
    expect(transform({ status_code: 404, to_error: { code: 404 }, to_disconnect: { code: 4504 } })).toEqual([
      `${at}: has a code in both to_error and to_disconnect`,
    ]);
    expect(transform({ status_code: 404, to_error: { code: 404, message: 'où' } })).toEqual([
      `${at}.to_error.message: must be ASCII`,
    ]);
    expect(transform({ status_code: 404, to_disconnect: { code: 4504, reason: 'x'.repeat(124) } })).toEqual([
      `${at}.to_disconnect.reason: must be at most 123 characters long`,
    ]);
  });
});

test('connect codes are mapped from a code to a code', () => {
  const transforms = [{ to: { reason: 'ü' } }];
  expect(check({ client: { connect_code_to_unidirectional_disconnect: { transforms } } })).toHaveLength(3);
  expect(check({ uni_sse: { connect_code_to_http_response: { transforms: [{}] } } })).toHaveLength(2);
  expect(
    check({
      uni_http_stream: { connect_code_to_http_response: { transforms: [{ code: 1, to: { status_code: 400 } }] } },
    }),
  ).toEqual([]);
});

describe('personal channel', () => {
  const personal = (options: object, channel: object = {}) =>
    check({ client: { subscribe_to_user_personal_channel: { enabled: true, ...options } }, channel });

  test('its namespace exists', () => {
    expect(personal({})).toEqual([]);
    expect(personal({ personal_channel_namespace: 'me' })).toEqual([
      'client.subscribe_to_user_personal_channel.personal_channel_namespace: there is no namespace "me"',
    ]);
    expect(personal({ personal_channel_namespace: 'me' }, { namespaces: [{ name: 'me' }] })).toEqual([]);
  });

  test('a single connection needs presence', () => {
    const at = 'client.subscribe_to_user_personal_channel.single_connection';
    const single = { personal_channel_namespace: 'me', single_connection: true };
    expect(personal({ single_connection: true })).toEqual([`${at}: needs presence in channel.without_namespace`]);
    expect(personal({ single_connection: true }, { without_namespace: { presence: true } })).toEqual([]);
    expect(personal(single, { namespaces: [{ name: 'me' }] })).toEqual([`${at}: needs presence in the namespace "me"`]);
    expect(personal(single, { namespaces: [{ name: 'me', presence: true }] })).toEqual([]);
  });
});

describe('map channels', () => {
  const map = (options: object, type = 'map') => namespace({ subscription_type: type, map: options });
  const mapNs = (problem: string) => ns(`.map.${problem}`);

  test.each([
    { mode: 'ephemeral', key_ttl: '60s' },
    { mode: 'recoverable', key_ttl: '30s' },
    { mode: 'recoverable', key_ttl: '30s', stream_size: 200, stream_ttl: '2m', meta_ttl: '20m' },
    { mode: 'recoverable', key_ttl: '30s', stream_ttl: '5m' },
    { mode: 'recoverable', key_ttl: '30s', stream_ttl: '5m', meta_ttl: '5m' },
    { mode: 'recoverable', key_ttl: '30s', meta_ttl: '1m' },
    { mode: 'persistent' },
    { mode: 'persistent', stream_size: 500, stream_ttl: '5m', meta_ttl: '50m' },
    { mode: 'ephemeral', key_ttl: '60s', remove_client_on_unsubscribe: true },
    { mode: 'persistent', min_page_size: 10, default_page_size: 10, max_page_size: 10 },
  ])('%j is good', (options) => expect(map(options)).toEqual([]));

  test.each([
    [{}, 'mode: must be set when subscription_type is "map"'],
    [{ mode: 'ephemeral' }, 'key_ttl: must be set in mode "ephemeral"'],
    [{ mode: 'ephemeral', key_ttl: '-1s' }, 'key_ttl: must not be negative'],
    [{ mode: 'ephemeral', key_ttl: '1m', stream_size: 100 }, 'stream_size: must not be set in mode "ephemeral"'],
    [{ mode: 'ephemeral', key_ttl: '1m', stream_ttl: '1m' }, 'stream_ttl: must not be set in mode "ephemeral"'],
    [{ mode: 'ephemeral', key_ttl: '1m', meta_ttl: '10m' }, 'meta_ttl: must not be set in mode "ephemeral"'],
    [{ mode: 'recoverable' }, 'key_ttl: must be set in mode "recoverable"'],
    [
      { mode: 'recoverable', key_ttl: '30s', stream_ttl: '10m', meta_ttl: '5m' },
      'meta_ttl: 5m is shorter than stream_ttl, 10m',
    ],
    [{ mode: 'recoverable', key_ttl: '30s', meta_ttl: '30s' }, 'meta_ttl: 30s is shorter than stream_ttl, 1m'],
    [{ mode: 'persistent', key_ttl: '60s' }, 'key_ttl: must not be set in mode "persistent"'],
    [{ mode: 'persistent', stream_size: -1 }, 'stream_size: must not be negative'],
    [{ mode: 'persistent', stream_ttl: '10m', meta_ttl: '1m' }, 'meta_ttl: 1m is shorter than stream_ttl, 10m'],
    [{ mode: 'persistent', min_page_size: 9, max_page_size: 8 }, 'min_page_size: 9 is more than max_page_size, 8'],
    [
      { mode: 'persistent', default_page_size: 9, max_page_size: 8 },
      'default_page_size: 9 is more than max_page_size, 8',
    ],
    [
      { mode: 'persistent', default_page_size: 8, min_page_size: 9 },
      'default_page_size: 8 is less than min_page_size, 9',
    ],
  ])('%j: %s', (options, problem) => expect(map(options)).toEqual(mapNs(problem)));

  test.each(['map_clients', 'map_users'])('%s entries must expire', (type) => {
    expect(map({ mode: 'ephemeral', key_ttl: '60s' }, type)).toEqual([]);
    expect(map({ mode: 'persistent' }, type)).toEqual(
      mapNs(`mode: "persistent" is not possible with subscription_type "${type}", whose entries must expire`),
    );
  });

  test('the key is decided by client_key or by a proxy', () => {
    const options = { mode: 'ephemeral', key_ttl: '60s', client_key: 'client_id', publish_proxy_enabled: true };
    expect(map(options)).toContain(
      mapNs('client_key: cannot be used together with map.publish_proxy_enabled: the proxy decides the key')[0],
    );
  });

  test('removal on unsubscribe is for maps', () => {
    expect(map({ remove_client_on_unsubscribe: true }, 'stream')).toEqual(
      mapNs('remove_client_on_unsubscribe: needs a subscription_type of a map'),
    );
  });

  test.each(['map_clients', 'map_users'])('a %s presence prefix leads to such channels', (type) => {
    const key = `${type}_presence_channel_prefix`;
    const target = (subscription_type: string) => ({
      name: 'who',
      subscription_type,
      map: { mode: 'ephemeral', key_ttl: '60s' },
    });
    const prefix = (prefix: string, ...others: object[]) =>
      check({ channel: { namespaces: [{ name: 'ns', [key]: prefix }, ...others] } });
    expect(prefix('who:', target(type))).toEqual([]);
    expect(prefix('who:')).toEqual(ns(`.${key}: "who:" leads to the namespace "who", which does not exist`));
    expect(prefix('who:', target('map'))).toEqual(
      ns(`.${key}: "who:" leads to the namespace "who", whose subscription_type is not "${type}"`),
    );
    expect(prefix('who')[0]).toContain('leads to channel.without_namespace, whose subscription_type is not');
  });
});

describe('shared poll', () => {
  const poll = (shared_poll: object, more: object = {}) =>
    check({
      shared_poll: { hmac_secret_key: 'secret' },
      channel: {
        proxy: { shared_poll_refresh: backend },
        namespaces: [{ name: 'ns', subscription_type: 'shared_poll', shared_poll }],
      },
      ...more,
    });

  test('it needs a key and a proxy', () => {
    expect(poll({})).toEqual([]);
    expect(poll({}, { shared_poll: {} })).toEqual([
      'shared_poll.hmac_secret_key: must be set, because channel.namespaces["ns"] is of type shared_poll',
    ]);
    expect(poll({ proxy_name: 'backend' })).toEqual(
      ns('.shared_poll.proxy_name: there is no proxy "backend" in proxies'),
    );
    expect(poll({ proxy_name: 'backend' }, { proxies: [{ name: 'backend', ...backend }] })).toEqual([]);
  });

  test('publishing needs versions', () => {
    const problem = ns('.shared_poll.publish_enabled: needs mode "versioned"');
    expect(poll({ publish_enabled: true })).toEqual(problem);
    expect(poll({ publish_enabled: true, mode: 'versionless' })).toEqual(problem);
    expect(poll({ publish_enabled: true, mode: 'versioned' })).toEqual([]);
    expect(poll({ mode: 'versionless' })).toEqual([]);
  });
});
