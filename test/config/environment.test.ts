import { expect, test } from 'vitest';
import { readConfig } from '../../src/config/read.js';
import { directoryWith, problemsOf, readWith } from './helpers.js';

const readEnv = (env: Record<string, string>, file: object = {}) => readWith(file, { env });

test('each kind of option is read', () => {
  const { config, warnings } = readEnv({
    GYRE_CLIENT_INSECURE: 'T',
    GYRE_CLIENT_CHANNEL_LIMIT: '0x10',
    GYRE_CLIENT_PING_INTERVAL: '1m',
    GYRE_CLIENT_ALLOWED_ORIGINS: '*  http://localhost:4000',
    GYRE_CHANNEL_WITHOUT_NAMESPACE_ALLOWED_DELTA_TYPES: 'fossil',
    GYRE_RPC_PROXY_HTTP_STATIC_HEADERS: '{"Key": "value"}',
    GYRE_NODE_NAME: 'one',
  });
  expect(warnings).toEqual([]);
  expect(config.client).toMatchObject({
    insecure: true,
    channel_limit: 16,
    ping_interval: 60_000,
    allowed_origins: ['*', 'http://localhost:4000'],
  });
  expect(config.channel.without_namespace.allowed_delta_types).toEqual(['fossil']);
  expect(config.rpc.proxy.http.static_headers).toEqual({ Key: 'value' });
  expect(config.node.name).toBe('one');
});

test('the names of Centrifugo are read too, and those of Gyre win', () => {
  expect(readEnv({ CENTRIFUGO_NODE_NAME: 'b' }).config.node.name).toBe('b');
  expect(readEnv({ CENTRIFUGO_NODE_NAME: 'b', GYRE_NODE_NAME: 'a' }).config.node.name).toBe('a');
  expect(readEnv({ CENTRIFUGO_NODE_NAME: 'b', GYRE_NODE_NAME: '' }).config.node.name).toBe('b');
});

test('an empty variable is not set', () => {
  const { config, warnings } = readEnv({ GYRE_RPC_PROXY_TIMEOUT: '', GYRE_PROXIES: '', GYRE_NONSENSE: '' });
  expect(config.rpc.proxy.timeout).toBe(1000);
  expect(warnings).toEqual([]);
});

test('an error names the variable', () => {
  const env = {
    GYRE_CLIENT_INSECURE: 'maybe',
    CENTRIFUGO_HTTP_API_KEY: 'fine',
    GYRE_RPC_PROXY_HTTP_STATIC_HEADERS: '{',
  };
  expect(problemsOf(() => readEnv(env))).toEqual([
    'GYRE_RPC_PROXY_HTTP_STATIC_HEADERS: wanted a JSON object of strings, found text that is not JSON',
    'GYRE_CLIENT_INSECURE (client.insecure): wanted true or false, found "maybe"',
  ]);
});

test('a list of objects is JSON and replaces that of the file', () => {
  const env = { GYRE_CHANNEL_NAMESPACES: '[{"name": "env", "presense": true}]' };
  const { config, warnings } = readEnv(env, { channel: { namespaces: [{ name: 'file' }] } });
  expect(config.channel.namespaces.map(({ name }) => name)).toEqual(['env']);
  expect(warnings[0]).toContain('GYRE_CHANNEL_NAMESPACES["env"].presense: unknown option');
  expect(readEnv({ GYRE_PROXIES: '[]' }, { proxies: [{ name: 'ab' }] }).config.proxies).toEqual([]);
  expect(problemsOf(() => readEnv({ GYRE_PROXIES: '[1]' }))).toEqual(['GYRE_PROXIES: wanted a JSON array of objects']);
  expect(problemsOf(() => readEnv({ GYRE_PROXIES: '[' }))).toHaveLength(1);
});

test('a list of objects is names, and a variable for each field', () => {
  const { config, warnings } = readEnv(
    {
      GYRE_RPC_NAMESPACES: 'rpc1 rpc.two',
      GYRE_RPC_NAMESPACES_RPC1_PROXY_ENABLED: 'true',
      CENTRIFUGO_RPC_NAMESPACES_RPC_TWO_PROXY_NAME: 'custom',
      GYRE_CHANNEL_NAMESPACES_FROM_FILE_HISTORY_TTL: '5m',
      GYRE_CONSUMERS: 'queue',
      GYRE_CONSUMERS_QUEUE_KAFKA_TLS_ENABLED: 'true',
    },
    { channel: { namespaces: [{ name: 'from-file', history_size: 3 }] } },
  );
  expect(warnings).toEqual([]);
  expect(config.rpc.namespaces).toEqual([
    { name: 'rpc1', proxy_enabled: true, proxy_name: 'default' },
    { name: 'rpc.two', proxy_enabled: false, proxy_name: 'custom' },
  ]);
  expect(config.channel.namespaces[0]).toMatchObject({ history_size: 3, history_ttl: 300_000 });
  expect(config.consumers[0]!.kafka.tls.enabled).toBe(true);
});

test('unknown variables are warned about, but not those of Kubernetes', () => {
  const { warnings } = readEnv({
    GYRE_CLIENT_PINGINTERVAL: '1s',
    CENTRIFUGO_UNKNOWN: '1',
    OTHER_UNKNOWN: '1',
    GYRE_VAR_X: '1',
    CENTRIFUGO_PORT_11000_TCP: '1',
    CENTRIFUGO_SERVICE_HOST: '1',
    CENTRIFUGO_P0E8NNPNYU_SERVICE_PORT_GRPC: '1',
    CENTRIFUGO_APP_PORT: '1',
    GYRE_PORT_8000_TCP_ADDR: '1',
    CENTRIFUGO_APP_INVALID_: '1',
  });
  expect(warnings).toEqual([
    'GYRE_CLIENT_PINGINTERVAL: unknown variable, ignored; did you mean GYRE_CLIENT_PING_INTERVAL?',
    'CENTRIFUGO_UNKNOWN: unknown variable, ignored',
    'CENTRIFUGO_APP_INVALID_: unknown variable, ignored',
  ]);
});

test('.env in the working directory adds variables that are not set', () => {
  const cwd = directoryWith({ '.env': 'GYRE_NODE_NAME="from file"\nGYRE_PID_FILE=from-file\n' });
  const { config } = readConfig({ env: { GYRE_PID_FILE: 'set' }, cwd });
  expect(config.node.name).toBe('from file');
  expect(config.pid_file).toBe('set');
});
