import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { configSchema, defaultConfig } from '../../src/config/config.js';
import { parseDuration } from '../../src/config/duration.js';
import { listSupport } from '../../src/config/support.js';
import { supportOf } from '../../src/config/support-table.js';
import { eachPath } from '../../src/config/tree.js';

/** Option, Go type and default of Centrifugo 6.9.1, from its documentation. */
const known = readFileSync(new URL('./options.tsv', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .slice(1)
  .map((line) => line.split('\t') as [path: string, type: string, byDefault: string])
  // Not an option: a compiled form of channel_regex.
  .filter(([path]) => !path.includes('.None'));

const options = new Map([...eachPath(configSchema.unwrap().shape)].map(({ path, option }) => [path, option]));

const kinds: Record<string, string[]> = {
  bool: ['bool'],
  int: ['int'],
  int64: ['int'],
  string: ['text', 'choice'],
  Duration: ['duration'],
  PEMData: ['pem'],
  MapStringString: ['stringMap'],
  '[]string': ['strings'],
  '[]centrifuge.DeltaType': ['strings'],
};

/** The default in the form that the configuration has in code. */
function inCode(type: string, byDefault: string): unknown {
  if (type === 'bool') return byDefault === 'true';
  if (type === 'int' || type === 'int64') return Number(byDefault || 0);
  if (type === 'Duration') return parseDuration(byDefault || '0');
  if (type === 'MapStringString') return {};
  if (byDefault === '[]') return [];
  if (type.startsWith('[]')) return byDefault === '' ? [] : [byDefault];
  return byDefault;
}

test('every option of Centrifugo is known, with its kind and its default', () => {
  const config: unknown = defaultConfig();
  const wrong: string[] = [];
  for (const [path, type, byDefault] of known) {
    const option = options.get(path);
    const wanted = kinds[type] ?? (byDefault === '[]' ? ['list'] : ['section']);
    if (option === undefined || !wanted.includes(option.kind)) {
      wrong.push(`${path}: ${type} is ${option?.kind}`);
      continue;
    }
    if (option.kind === 'section') continue;
    const value = path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], config);
    const expected = inCode(type, byDefault);
    if (JSON.stringify(value) !== JSON.stringify(expected))
      wrong.push(`${path}: ${JSON.stringify(value)}, not ${expected}`);
  }
  expect(known.length).toBeGreaterThan(900);
  expect(wrong).toEqual([]);
});

test('there are no options but those of Centrifugo, those under workers and dev, how channels are sharded, and the directory of the authority', () => {
  const theirs = new Set(known.map(([path]) => path));
  const sharding =
    /^(engine|broker|broker\.redisnats|presence_manager)\.redis\.(sharding|previous_address|previous_sharding)$/;
  const ours = [...options.keys()].filter((path) => !theirs.has(path) && !path.includes('[]') && !sharding.test(path));
  expect(ours).toEqual([
    'http_server.tls_autocert.directory_url',
    'workers',
    'workers.count',
    'workers.owners',
    'workers.ring_size',
    'workers.hang_timeout',
    'dev',
    'dev.demo',
  ]);
});

test('a namespace has the options of channels without namespace, and a name', () => {
  const under = (prefix: string) =>
    [...options.keys()].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
  expect(under('channel.namespaces[].')).toEqual(['name', ...under('channel.without_namespace.')]);
});

test('it is recorded of every option how far it is supported, and why not', () => {
  const list = listSupport();
  expect(list).toHaveLength([...options.values()].filter(({ kind }) => kind !== 'section').length);
  for (const { path, status, reason } of list) {
    if (status !== 'supported') expect(reason, path).not.toBe('');
  }
  const statusOf = (path: string) => supportOf(path).support.status;
  expect(statusOf('client.ping_interval')).toBe('supported');
  expect(statusOf('channel.namespaces[].history_size')).toBe('supported');
  expect(statusOf('engine.redis.address')).toBe('supported');
  expect(statusOf('engine.redis.replica_client.enabled')).toBe('never');
  expect(statusOf('broker.redisnats.redis.address')).toBe('not yet');
  expect(statusOf('consumers[].kafka.brokers')).toBe('not yet');
  expect(statusOf('usage_stats.disabled')).toBe('never');
});
