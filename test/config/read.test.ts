import { expect, test } from 'vitest';
import { defaultConfig } from '../../src/config/config.js';
import { readConfig } from '../../src/config/read.js';
import { directoryWith, problemsOf, readWith } from './helpers.js';

test('without a file there are the defaults, and a warning', () => {
  const cwd = directoryWith({});
  const { config, warnings, meta } = readConfig({ path: 'config.json', cwd });
  expect(config).toEqual(defaultConfig());
  expect(meta.fileFound).toBe(false);
  expect(warnings).toEqual([`${cwd}/config.json: no such file; using environment variables, flags and defaults`]);
});

test('flags win over the environment, which wins over the file', () => {
  const file = { http_server: { port: 1, address: 'a' }, health: { enabled: true, handler_prefix: '/h' } };
  const env = { GYRE_HTTP_SERVER_PORT: '2', GYRE_HEALTH_HANDLER_PREFIX: '/e' };
  const { config } = readWith(file, { env, flags: { 'http_server.port': '3', 'health.enabled': 'false' } });
  expect(config.http_server).toMatchObject({ port: 3, address: 'a' });
  expect(config.health).toEqual({ enabled: false, handler_prefix: '/e' });
});

test('a variable whose flag is given is not even checked', () => {
  const { config } = readWith({}, { env: { GYRE_HTTP_SERVER_PORT: 'x' }, flags: { 'http_server.port': '3' } });
  expect(config.http_server.port).toBe(3);
});

test.each([
  [
    'config.json',
    '{"client": {"ping_interval": "1m30s", "allowed_origins": ["*"]}, "channel": {"namespaces": [{"name": "chat"}]}}',
  ],
  [
    'config.yaml',
    'client:\n  ping_interval: 1m30s\n  allowed_origins: ["*"]\nchannel:\n  namespaces:\n    - name: chat\n',
  ],
  ['config.yml', '{client: {ping_interval: 1m30s, allowed_origins: ["*"]}, channel: {namespaces: [{name: chat}]}}'],
  [
    'config.toml',
    '[client]\nping_interval = "1m30s"\nallowed_origins = ["*"]\n[[channel.namespaces]]\nname = "chat"\n',
  ],
])('%s is read', (name, text) => {
  const { config, warnings } = readConfig({ path: name, cwd: directoryWith({ [name]: text }) });
  expect(warnings).toEqual([]);
  expect(config.client).toMatchObject({ ping_interval: 90_000, pong_timeout: 8000, allowed_origins: ['*'] });
  expect(config.channel.namespaces).toHaveLength(1);
  expect(config.channel.namespaces[0]).toMatchObject({
    name: 'chat',
    subscribe_proxy_name: 'default',
    history_size: 0,
  });
});

test('an empty YAML file and empty sections are the defaults', () => {
  const cwd = directoryWith({ 'a.yaml': '', 'b.yaml': 'client:\nlog:\n' });
  expect(readConfig({ path: 'a.yaml', cwd }).config).toEqual(defaultConfig());
  expect(readConfig({ path: 'b.yaml', cwd })).toMatchObject({ config: defaultConfig(), warnings: [] });
});

test.each([
  ['a.json', '{\n "a": 1,\n}', 'not valid JSON, line 3 column 1'],
  ['a.json', '{"key": hunter2}', 'not valid JSON, near its beginning'],
  ['a.json', '{"a": 1', 'not valid JSON'],
  ['a.json', '{\n  "name": "value",\n  "key": hunter2, "more": "text"}', 'not valid JSON, line 3 column 10'],
  ['a.json', '', 'not valid JSON: it ends too early'],
  ['a.json', '[]', 'wanted an object at the top'],
  ['a.yaml', 'a: [hunter2\nb: 3', 'not valid YAML, line 2'],
  ['a.toml', 'key = hunter2', 'not valid TOML, line 1'],
  ['a.ini', 'x', 'ends in .json, .yaml, .yml, .toml'],
])('%s with %j is refused without showing what is in it', (name, text, problem) => {
  const [line, ...more] = problemsOf(() => readConfig({ path: name, cwd: directoryWith({ [name]: text }) }));
  expect(more).toEqual([]);
  expect(line).toContain(problem);
  expect(line).not.toContain('hunter2');
});

test('a file that cannot be read is an error, not a missing file', () => {
  expect(problemsOf(() => readConfig({ path: 'x/config.json', cwd: directoryWith({ x: '' }) }))[0]).toMatch(/ENOTDIR/);
});

test('an unknown option is a warning with its full path and what was meant', () => {
  const { warnings, meta } = readWith({
    client: { ping_intervall: '5s' },
    token_hmac_secret_key: 'x',
    channel: { namespaces: [{ name: 'chat', presense: true }] },
    something: { else: 1 },
  });
  expect(warnings).toEqual([
    'client.ping_intervall: unknown option, ignored; did you mean client.ping_interval?',
    'token_hmac_secret_key: unknown option, ignored; did you mean client.token.hmac_secret_key?',
    'channel.namespaces["chat"].presense: unknown option, ignored; did you mean channel.namespaces["chat"].presence?',
    'something: unknown option, ignored',
  ]);
  expect(meta.unknown).toHaveLength(4);
});

test('names of objects in JavaScript are unknown options too', () => {
  const cwd = directoryWith({ 'a.json': '{"constructor": 1, "__proto__": {"x": 1}, "client": {"toString": 1}}' });
  expect(readConfig({ path: 'a.json', cwd }).meta.unknown).toEqual(['constructor', '__proto__', 'client.tostring']);
});

test('a type error says where, what is wanted and what was found', () => {
  const problems = problemsOf(() =>
    readWith({
      http_server: { port: 99_999 },
      client: { pong_timeout: '8', channel_limit: 'many', insecure: 'maybe', token: 5 },
      channel: { namespaces: [{ name: 'chat', history_ttl: '1500ms', force_recovery_mode: 'tape' }] },
      proxies: 'x',
    }),
  );
  expect(problems).toEqual([
    'client.token: wanted an object, found a number',
    'proxies: wanted a list of objects, found a string',
    'http_server.port: wanted a whole number from 0 to 65535, found 99999',
    'client.pong_timeout: wanted a duration such as "300ms", "25s" or "1m30s", found "8"',
    'client.channel_limit: wanted a whole number, found "many"',
    'client.insecure: wanted true or false, found "maybe"',
    'channel.namespaces["chat"].history_ttl: wanted a duration such as "300ms", "25s" or "1m30s" in whole seconds, found "1500ms"',
    'channel.namespaces["chat"].force_recovery_mode: wanted one of "", "stream", "cache", found "tape"',
  ]);
});

test('values of secrets are never shown', () => {
  const problems = problemsOf(() =>
    readWith({ client: { token: { hmac_secret_key: { hunter2: 1 } } }, http_api: { key: true } }),
  );
  expect(problems).toEqual([
    'client.token.hmac_secret_key: wanted a string, found an object',
    'http_api.key: wanted a string, found a boolean (not shown)',
  ]);
});

test('loose types that Centrifugo accepts are accepted', () => {
  const { config } = readWith({
    HTTP_Server: { port: '9000', internal_port: 9001 },
    client: { insecure: 'true', allowed_origins: 'https://a.example' },
    health: { enabled: 'F' },
    websocket: { write_timeout: 2_000_000_000 },
  });
  expect(config.http_server).toMatchObject({ port: 9000, internal_port: '9001' });
  expect(config.client).toMatchObject({ insecure: true, allowed_origins: ['https://a.example'] });
  expect(config.websocket.write_timeout).toBe(2000);
});

test('an empty value in a file is the default, and a warning where that is another value', () => {
  const { config, warnings } = readWith({ client: { ping_interval: '0s', concurrency: 0 }, engine: { type: '' } });
  expect(config.client.ping_interval).toBe(25_000);
  expect(config.engine.type).toBe('memory');
  expect(warnings).toEqual([
    'client.ping_interval: "0s" in a file means the default, "25s"; to really set it use the environment or a flag',
    'engine.type: "" in a file means the default, "memory"; to really set it use the environment or a flag',
  ]);
  expect(readWith({}, { env: { GYRE_CLIENT_PING_INTERVAL: '0s' } }).config.client.ping_interval).toBe(0);
  expect(readWith({}, { flags: { 'http_server.port': '0' } }).config.http_server.port).toBe(0);
});

test('an unknown log level is a warning and info', () => {
  const { config, warnings } = readWith({ log: { level: 'verbose' } });
  expect(config.log.level).toBe('info');
  expect(warnings).toEqual(['log.level: unknown level "verbose"; using "info"']);
  expect(readWith({ log: { level: 'WARN' } })).toMatchObject({ config: { log: { level: 'warn' } }, warnings: [] });
});

test('a map is an object with names in lower case, or a list that keeps the case', () => {
  const headers = (static_headers: unknown) =>
    readWith({ rpc: { proxy: { http: { static_headers } } } }).config.rpc.proxy.http.static_headers;
  expect(headers({ 'X-Key': 'Value' })).toEqual({ 'x-key': 'Value' });
  expect(headers([{ key: 'X-Key', value: 'Value' }])).toEqual({ 'X-Key': 'Value' });
  const twice = [
    { key: 'a', value: '1' },
    { key: 'a', value: '2' },
  ];
  expect(problemsOf(() => headers(twice))).toHaveLength(1);
  expect(problemsOf(() => headers({ a: 1 }))).toEqual([
    'rpc.proxy.http.static_headers: wanted an object of strings, or a list of {"key", "value"}, found an object',
  ]);
});

test('variables are put into the values of a map', () => {
  const reference = (name: string) => `$\{${name}}`;
  const text = ['GYRE_VAR_A', 'CENTRIFUGO_VAR_B', 'HOME'].map(reference).join(' ');
  const file = { proxies: [{ name: 'ab', http: { static_headers: { a: text } } }] };
  const env = { GYRE_VAR_A: '1', CENTRIFUGO_VAR_B: '2', HOME: '/' };
  const { config, warnings } = readWith(file, { env });
  expect(config.proxies[0]!.http.static_headers).toEqual({ a: `1 2 ${reference('HOME')}` });
  expect(warnings).toEqual([]);
  expect(problemsOf(() => readWith(file, { env: { GYRE_VAR_A: '1' } }))).toEqual([
    'proxies["ab"].http.static_headers: the environment variable CENTRIFUGO_VAR_B is not set',
  ]);
});

test('an editor may find its schema by $schema', () => {
  expect(readWith({ $schema: './config.schema.json' }).warnings).toEqual([]);
});
