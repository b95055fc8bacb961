import { expect, test } from 'vitest';
import { z } from 'zod';
import { jsonSchema } from '../../src/config/json-schema.js';

type Node = Record<string, unknown> & { properties?: Record<string, Node>; items?: Node };

const at = (node: Node, path: string): Node =>
  path.split('.').reduce((inside, key) => (key === '[]' ? inside.items! : inside.properties![key]!), node);

function* everyProperty(node: Node, path = ''): Generator<[string, Node]> {
  for (const [key, inside] of Object.entries(node.properties ?? {})) {
    yield [path + key, inside];
    yield* everyProperty(inside.items ?? inside, `${path}${key}.`);
  }
}

test('the JSON Schema has each option as it is written in a file', () => {
  const schema = jsonSchema() as Node;
  expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
  expect(at(schema, 'http_server.port')).toMatchObject({ type: 'integer', minimum: 0, maximum: 65535, default: 8000 });
  expect(at(schema, 'client.ping_interval')).toMatchObject({
    default: '25s',
    type: ['string', 'number'],
  });
  expect(at(schema, 'engine.type')).toMatchObject({ enum: ['memory', 'redis'], default: 'memory' });
  expect(at(schema, 'channel.namespaces.[].presence')).toMatchObject({ type: 'boolean', default: false });
  expect(at(schema, '$schema')).toMatchObject({ type: 'string' });
});

test('nothing is required, unknown names are pointed out, and everything is described', () => {
  const schema = jsonSchema() as Node;
  expect(schema.additionalProperties).toBe(false);
  const undescribed = [...everyProperty(schema)].filter(([, node]) => !node.description).map(([path]) => path);
  expect(undescribed.filter((path) => !/\.(static_headers|static_metadata|channel_replacements)\./.test(path))).toEqual(
    [],
  );
  expect([...everyProperty(schema)].filter(([, node]) => 'required' in node).map(([path]) => path)).toEqual([]);
});

test('the JSON Schema accepts what the server accepts, and points out a misspelled name', () => {
  const schema = z.fromJSONSchema(jsonSchema());
  const file = {
    $schema: './config.schema.json',
    client: { ping_interval: '10s', pong_timeout: 3_000_000_000, allowed_origins: ['*'] },
    channel: { namespaces: [{ name: 'chat', history_size: 10, history_ttl: '1m' }] },
    proxies: [{ name: 'backend', http: { static_headers: [{ key: 'X-Key', value: 'v' }] } }],
  };
  expect(schema.safeParse(file).success).toBe(true);
  expect(schema.safeParse({ ...file, client: { ping_intervall: '10s' } }).success).toBe(false);
  expect(schema.safeParse({ ...file, http_server: { port: 70_000 } }).success).toBe(false);
});
