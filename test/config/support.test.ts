import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { directoryWith, problemsOf } from './helpers.js';

function load(content: object) {
  const cwd = directoryWith({ 'config.json': JSON.stringify(content) });
  return loadConfig({ path: 'config.json', cwd });
}

const problems = (content: object) => problemsOf(() => load(content));

test('what is not supported is refused by name', () => {
  expect(problems({ broker: { enabled: true, type: 'nats' } })).toEqual([
    'broker.type: not supported yet: only memory and Redis are',
  ]);
  expect(problems({ http_server: { http3: { enabled: true } }, webtransport: { enabled: true } })).toEqual([
    'http_server.http3.enabled: not supported yet: no HTTP/3 server for Node.js is ready for production',
    'webtransport.enabled: not supported yet: it needs HTTP/3, and no server for Node.js is ready for production',
  ]);
  expect(problems({ http_server: { h2c_external: true, internal_port: '9000' } })).toEqual([
    'http_server.h2c_external: not supported yet: clients connect over HTTP/1.1',
  ]);
  expect(problems({ consumers: [{ name: 'queue', type: 'kafka', enabled: true }] })).toEqual([
    'consumers["queue"].enabled: not supported yet: no consumer runs',
  ]);
});

test('proxies ask over HTTP and gRPC', () => {
  const at = (endpoint: string) => ({
    client: { proxy: { connect: { enabled: true, endpoint, grpc: { compression: true } } } },
    channel: {
      proxy: { subscribe_stream: { endpoint: 'backend:1' } },
      namespaces: [
        { name: 'chat', subscribe_proxy_enabled: true, subscribe_proxy_name: 'other' },
        { name: 'feed', subscribe_stream_proxy_enabled: true, subscribe_stream_proxy_bidirectional: true },
      ],
    },
    proxies: [{ name: 'other', endpoint }],
  });
  for (const endpoint of ['http://127.0.0.1:1/x', 'grpc://127.0.0.1:1', 'backend:1']) {
    expect(load(at(endpoint)).warnings).toEqual([]);
  }
});

test('what is configured but switched off does not matter', () => {
  const { warnings } = load({
    grpc_api: { port: 10_001 },
    admin: { password: 'x', secret: 'y' },
    engine: { type: 'memory', redis: { address: ['redis:6379'] } },
    consumers: [{ name: 'queue', type: 'kafka' }],
    usage_stats: { disabled: true },
  });
  expect(warnings).toEqual([]);
});

test('what leads to refused clients only is a warning', () => {
  const { warnings } = load({
    shared_poll: { hmac_secret_key: 'x' },
    proxies: [{ name: 'backend', endpoint: 'http://127.0.0.1:3010/refresh', timeout: '5s' }],
    channel: {
      namespaces: [
        { name: 'keys', subscription_type: 'map', map: { mode: 'ephemeral', key_ttl: '60s' } },
        { name: 'poll', subscription_type: 'shared_poll', shared_poll: { proxy_name: 'backend' } },
        { name: 'plain', subscription_type: 'stream' },
      ],
    },
  });
  expect(warnings).toEqual([
    'shared_poll.hmac_secret_key: not supported yet: subscriptions of this kind are refused',
    'channel.namespaces["keys"], channel.namespaces["poll"]: not supported yet: subscriptions of a type other than stream are refused',
  ]);
});

test('map presence of a stream channel is refused: it would be missing without a sign', () => {
  const namespaces = [
    { name: 'chat', map_clients_presence_channel_prefix: 'who:' },
    { name: 'who', subscription_type: 'map_clients', map: { mode: 'ephemeral', key_ttl: '60s' } },
  ];
  expect(problems({ channel: { namespaces } })).toEqual([
    'channel.namespaces["chat"].map_clients_presence_channel_prefix: not supported yet: map channels are not',
  ]);
});

test('warnings come with the problems: a misspelled name often explains one', () => {
  const action = () => load({ channel: { namespaces: [{ name: 'chat', history_size: 1, history_tll: '1m' }] } });
  expect(action).toThrowError(
    expect.objectContaining({
      warnings: [expect.stringContaining('did you mean channel.namespaces["chat"].history_ttl?')],
    }),
  );
});

test('the example configuration can be used', () => {
  const { warnings } = loadConfig({ path: 'config.example.json', cwd: join(import.meta.dirname, '../..') });
  expect(warnings.filter((warning) => !warning.includes('not supported yet'))).toEqual([]);
});

test('reload reads the file again', () => {
  const cwd = directoryWith({ 'config.json': '{"node": {"name": "a"}}' });
  const loaded = loadConfig({ path: 'config.json', cwd });
  writeFileSync(join(cwd, 'config.json'), '{"node": {"name": "b"}}');
  expect(loaded.config.node.name).toBe('a');
  expect(loaded.reload().config.node.name).toBe('b');
  writeFileSync(join(cwd, 'config.json'), '{');
  expect(problemsOf(() => loaded.reload())).toHaveLength(1);
});
