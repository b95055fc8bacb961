import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import type { ShardOptions } from '../../src/config/redis/options.js';
import { brokerSection, presenceSection } from '../../src/config/redis/sections.js';
import { readShards } from '../../src/config/redis/shards.js';
import { directoryWith, problemsOf } from './helpers.js';

const cert = readFileSync(new URL('./redis-cert.pem', import.meta.url), 'latin1');
const key = readFileSync(new URL('./redis-key.pem', import.meta.url), 'latin1');

function load(content: object) {
  const cwd = directoryWith({ 'config.json': JSON.stringify(content) });
  return loadConfig({ path: 'config.json', cwd }).config;
}

function read(redis: object) {
  const { at, redis: section } = brokerSection(load({ engine: { type: 'redis', redis } }))!;
  return readShards(section, at, (path, problem) => expect.unreachable(`${path}: ${problem}`));
}

const problems = (redis: object, rest: object = {}) =>
  problemsOf(() => load({ engine: { type: 'redis', redis }, ...rest }));

const one = (address: string, fields: object = {}): ShardOptions => read({ address: [address], ...fields }).shards[0]!;

describe('addresses', () => {
  test('the default is a server on this machine', () => {
    expect(read({})).toEqual({
      mode: 'ring',
      previous: undefined,
      shards: [
        {
          kind: 'standalone',
          name: '0',
          weight: 1,
          endpoint: { host: '127.0.0.1', port: 6379 },
          server: {
            user: '',
            password: '',
            db: 0,
            clientName: '',
            tls: undefined,
            connectTimeoutMs: 1000,
            ioTimeoutMs: 4000,
            resp2: false,
          },
        },
      ],
    });
  });

  test.each([
    ['redis-1:6380', { host: 'redis-1', port: 6380 }],
    ['[::1]:6380', { host: '::1', port: 6380 }],
    ['redis://redis-1:6380', { host: 'redis-1', port: 6380 }],
    ['redis://redis-1', { host: 'redis-1', port: 6379 }],
    ['tcp://[fe80::1]:6380', { host: 'fe80::1', port: 6380 }],
    ['rediss://redis-1:6380', { host: 'redis-1', port: 6380 }],
    ['unix:///run/redis.sock', { host: '/run/redis.sock', port: 0 }],
    ['unix://u:p@/run/my%20redis.sock?shard_name=x', { host: '/run/my redis.sock', port: 0 }],
  ])('%s is one server', (address, endpoint) => {
    expect(one(address)).toMatchObject({ kind: 'standalone', endpoint });
  });

  test('credentials and database of a URL win over the fields', () => {
    const fields = { user: 'field', password: 'field', db: 1 };
    expect(one('redis://u:p%40ss@h:1/7', fields).server).toMatchObject({ user: 'u', password: 'p@ss', db: 7 });
    expect(one('redis://:p:q@h:1', fields).server).toMatchObject({ user: 'field', password: 'p:q', db: 1 });
    expect(one('redis://u@h:1', fields).server).toMatchObject({ user: 'u', password: 'field' });
    expect(one('unix://u:p@/run/r.sock', fields).server).toMatchObject({ user: 'u', password: 'p', db: 1 });
    expect(one('h:1', fields).server).toMatchObject({ user: 'field', password: 'field', db: 1 });
  });

  test('parameters of a URL win over the fields', () => {
    const { server } = one('redis://h:1?connect_timeout=300ms&io_timeout=2s&force_resp2=T&force_resp2=f', {
      connect_timeout: '9s',
      io_timeout: '9s',
      client_name: 'gyre',
    });
    expect(server).toMatchObject({ connectTimeoutMs: 300, ioTimeoutMs: 2000, resp2: true, clientName: 'gyre' });
    expect(one('redis://h:1?force_resp2=0', { force_resp2: true }).server.resp2).toBe(false);
  });

  test('sentinels', () => {
    const sentinel = {
      kind: 'sentinel',
      sentinels: [
        { host: 'a', port: 1 },
        { host: 'b', port: 26379 },
      ],
      masterName: 'm',
    };
    expect(
      one('redis+sentinel://u:p@a:1/2?addr=b&sentinel_master_name=m&sentinel_user=su&sentinel_password=sp'),
    ).toMatchObject({
      ...sentinel,
      sentinelUser: 'su',
      sentinelPassword: 'sp',
      sentinelTls: undefined,
      server: { user: 'u', password: 'p', db: 2, tls: undefined },
    });
    expect(one('rediss+sentinel://a:1?addr=b&sentinel_master_name=m')).toMatchObject({
      ...sentinel,
      sentinelTls: { minVersion: 'TLSv1.2' },
      server: { tls: { minVersion: 'TLSv1.2' } },
    });
    expect(one('redis://a:1?addr=b&sentinel_master_name=m&sentinel_tls_enabled=1')).toMatchObject({
      ...sentinel,
      sentinelTls: { minVersion: 'TLSv1.2' },
      server: { tls: undefined },
    });
    const fields = { sentinel_master_name: 'm', sentinel_user: 'su', sentinel_password: 'sp', password: 'p' };
    expect(read({ sentinel_address: ['a:1,b:26379', 'c:1?shard_name=c'], ...fields }).shards).toMatchObject([
      { ...sentinel, name: '0', sentinelUser: 'su', sentinelPassword: 'sp', server: { password: 'p' } },
      { kind: 'sentinel', name: 'c', sentinels: [{ host: 'c', port: 1 }] },
    ]);
  });

  test('clusters', () => {
    const seeds = [
      { host: 'a', port: 1 },
      { host: 'b', port: 2 },
    ];
    for (const address of ['redis+cluster://a:1?addr=b:2', 'redis://a:1?addr=b:2']) {
      expect(one(address)).toMatchObject({ kind: 'cluster', seeds, server: { tls: undefined } });
    }
    expect(one('rediss+cluster://a:1')).toMatchObject({ kind: 'cluster', server: { tls: {} } });
    expect(read({ cluster_address: ['a:1, b:2', 'c:3?shard_weight=2'] }).shards).toMatchObject([
      { kind: 'cluster', name: '0', weight: 1, seeds },
      { kind: 'cluster', name: '1', weight: 2, seeds: [{ host: 'c', port: 3 }] },
    ]);
  });

  test.each([
    ['hunter2', 'is neither a URL nor host:port'],
    ['hunter2:0', 'has a port out of range'],
    ['http://:hunter2@h:1', expect.stringContaining('is neither host:port nor a URL; known schemes are tcp, redis')],
    ['redis://:hunter2/x@h:1', 'does not have host:port after its scheme or in addr'],
    ['redis://h:70000', 'has a port out of range'],
    ['redis://h:1/hunter2', 'must have the number of a database as its path'],
    ['redis://h:1?hunter2=1', expect.stringContaining('has an unknown parameter; known are shard_name,')],
    ['redis://h:1?io_timeout=hunter2', 'has a parameter io_timeout that is not a duration such as "300ms" or "4s"'],
    ['redis://h:1?tls_enabled=hunter2', 'has a parameter tls_enabled that is not true or false'],
    ['redis://h:1?shard_weight=0', 'has a parameter shard_weight that is not a whole number from 1 to 100'],
    ['redis://h:1?shard_name=hunter2%20', expect.stringContaining('has a parameter shard_name that is not letters')],
    ['redis://:hunter2%@h:1', expect.stringContaining('contains a % that is not followed by two')],
    ['redis+sentinel://h:1', 'needs sentinel_master_name'],
    ['redis+cluster://h:1/2', 'is a cluster, which has no database 2'],
    ['redis://h:1?replica_client_enabled=true', 'has replica_client_enabled, but no replicas'],
    ['unix://hunter2', 'must name the socket by an absolute path: unix:///run/…'],
  ])('%s is refused, and nothing of it is shown', (address, problem) => {
    const found = problems({ address: ['h:9', address] });
    expect(found).toHaveLength(1);
    const [at, what] = [found[0]!.slice(0, 23), found[0]!.slice(25)];
    expect(at).toBe('engine.redis.address[1]');
    expect(what).toEqual(problem);
    expect(what).not.toContain('hunter2');
  });
});

describe('shards', () => {
  test('are named by their number, so that they may move to another host', () => {
    const { shards } = read({ address: ['a:1', 'redis://b:1?shard_name=big&shard_weight=3', 'c:1'] });
    expect(shards.map(({ name, weight }) => [name, weight])).toEqual([
      ['0', 1],
      ['big', 3],
      ['2', 1],
    ]);
  });

  test('must differ in name and place', () => {
    expect(problems({ address: ['redis://a:1?shard_name=1', 'b:1'] })).toEqual([
      'engine.redis.address[1]: is the second shard with the name "1"; set shard_name',
    ]);
    expect(problems({ address: ['redis://a:1', 'a:1', 'redis://a:1/2'] })).toEqual([
      'engine.redis.address[1]: is the same Redis as another shard of the list',
    ]);
    // As in Centrifugo an empty list says nothing.
    expect(read({ address: [] }).shards).toHaveLength(1);
  });

  test('cannot be weighted where they have numbers only', () => {
    expect(problems({ sharding: 'jump', address: ['redis://a:1?shard_weight=2'] })).toEqual([
      'engine.redis.address[0]: has a shard_weight, which needs sharding "ring"',
    ]);
  });

  test('a list is of clusters or of sentinels', () => {
    const redis = { cluster_address: ['a:1'], sentinel_address: ['a:1'], sentinel_master_name: 'm' };
    expect(problems(redis)).toEqual(['engine.redis.cluster_address: cannot be used together with sentinel_address']);
    expect(problems({ sentinel_address: ['a:1', 'b'] })).toEqual([
      'engine.redis.sentinel_address[0]: needs sentinel_master_name',
      'engine.redis.sentinel_address[1]: is neither a URL nor host:port',
    ]);
    expect(problems({ cluster_address: ['a:1?addr=b:1'], db: 1 })).toEqual([
      'engine.redis.cluster_address[0]: takes no addr parameter; separate addresses by commas',
    ]);
  });

  test('the former list has a way of spreading of its own', () => {
    const address = ['a:1', 'b:1'];
    expect(read({ address, previous_address: ['rediss://a:1'], password: 'p' })).toMatchObject({
      mode: 'ring',
      previous: { mode: 'ring', shards: [{ name: '0', server: { password: 'p', tls: {} } }] },
    });
    expect(read({ address, previous_address: address, previous_sharding: 'jump' })).toMatchObject({
      mode: 'ring',
      previous: { mode: 'jump', shards: [{ name: '0' }, { name: '1' }] },
    });
    expect(problems({ address, previous_address: address })).toEqual([
      'engine.redis.previous_address: is the same list as the present one; leave it out',
    ]);
    expect(problems({ previous_sharding: 'jump' })).toEqual(['engine.redis.previous_sharding: needs previous_address']);
    expect(problems({ previous_address: ['x'] })).toEqual([
      'engine.redis.previous_address[0]: is neither a URL nor host:port',
    ]);
  });
});

describe('TLS', () => {
  test('PEM as text, in base64 and as a file', () => {
    const cwd = directoryWith({ 'ca.pem': cert });
    const tls = {
      enabled: true,
      cert_pem: cert,
      key_pem: Buffer.from(key).toString('base64'),
      server_ca_pem: join(cwd, 'ca.pem'),
      server_name: 'redis.test',
    };
    // The field wins over the URL.
    expect(one('redis://h:1?tls_enabled=0', { tls }).server.tls).toEqual({
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
      servername: 'redis.test',
      ca: cert,
      cert,
      key,
    });
    expect(one('redis://h:1?tls_enabled=1').server.tls).toEqual({ minVersion: 'TLSv1.2' });
    const unverified = { enabled: true, insecure_skip_verify: true };
    expect(one('h:1', { tls: unverified }).server.tls).toEqual({ minVersion: 'TLSv1.2', rejectUnauthorized: false });
    const sentinels = { sentinel_address: ['a:1'], sentinel_master_name: 'm', sentinel_tls: unverified };
    expect(read(sentinels).shards[0]).toMatchObject({ sentinelTls: { rejectUnauthorized: false }, server: {} });
  });

  test('what cannot be used is refused, and nothing of it is shown', () => {
    const broken = key.replace('-----BEGIN', '----BEGIN');
    expect(problems({ tls: { enabled: true, cert_pem: cert, key_pem: broken } })).toEqual([
      'engine.redis.tls.key_pem: neither PEM text, nor PEM in base64, nor an existing file',
    ]);
    expect(problems({ tls: { enabled: true, key_pem: key } })).toEqual([
      'engine.redis.tls: needs both cert_pem and key_pem, or neither',
    ]);
    expect(problems({ sentinel_tls: { enabled: true, cert_pem: cert, key_pem: cert } })).toEqual([
      expect.stringMatching(/^engine\.redis\.sentinel_tls: the certificates or the key cannot be used: \S/),
    ]);
    const cwd = directoryWith({ 'empty.pem': '' });
    expect(problems({ tls: { enabled: true, server_ca_pem: join(cwd, 'empty.pem') } })).toEqual([
      'engine.redis.tls.server_ca_pem: the file does not contain PEM',
    ]);
    expect(problems({ tls: { enabled: true, server_ca_pem: cwd } })).toEqual([
      'engine.redis.tls.server_ca_pem: cannot be read: EISDIR',
    ]);
  });
});

describe('sections', () => {
  const sections = (content: object) => {
    const config = load(content);
    return [brokerSection(config)?.at, presenceSection(config)?.at];
  };

  test('the engine is overridden by broker and presence manager', () => {
    expect(sections({})).toEqual([undefined, undefined]);
    expect(sections({ engine: { type: 'redis' } })).toEqual(['engine.redis', 'engine.redis']);
    expect(sections({ engine: { type: 'redis' }, broker: { enabled: true } })).toEqual([undefined, 'engine.redis']);
    expect(sections({ broker: { enabled: true, type: 'redis' } })).toEqual(['broker.redis', undefined]);
    const both = { presence_manager: { enabled: true, type: 'redis' }, broker: { enabled: true, type: 'redis' } };
    expect(sections(both)).toEqual(['broker.redis', 'presence_manager.redis']);
  });

  test('what nothing uses is not checked', () => {
    expect(problemsOf(() => load({ engine: { redis: { address: ['x'] } } }))).toEqual([]);
    const broker = { enabled: true, type: 'redis', redis: { address: ['x'] } };
    expect(problemsOf(() => load({ broker }))).toEqual(['broker.redis.address[0]: is neither a URL nor host:port']);
  });
});

test('presence entries must outlive the time between their renewals', () => {
  expect(problems({ presence_ttl: '20s' })).toEqual([
    'engine.redis.presence_ttl: 20s must be longer than client.presence_update_interval, 27s',
  ]);
  expect(problems({ presence_ttl: '20s' }, { client: { presence_update_interval: '10s' } })).toEqual([]);
  expect(problems({ presence_ttl: '60500ms' })).toEqual([expect.stringContaining('in whole seconds')]);
});

test('timeouts must not be negative', () => {
  expect(problems({ io_timeout: '-1s', connect_timeout: '-1s' })).toEqual([
    'engine.redis.connect_timeout: must be more than 0',
    'engine.redis.io_timeout: must be more than 0',
  ]);
});
