import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batch, type Command } from '../../src/api/batch.js';
import { methods } from '../../src/api/methods.js';
import type { Schema } from '../../src/api/schema.js';
import { errors } from '../../src/protocol/codes.js';
import { JsonReader } from '../../src/protocol/json-reader.js';
import type { Bytes, Payload } from '../../src/protocol/messages.js';
import { publication, rig } from './rig.js';
import {
  arbitrary,
  describeApi,
  description,
  mismatches,
  places,
  requestSchema,
  resolved,
  resolveRef,
  responseSchema,
} from './schemas.js';

const all = [...methods, batch];
const names = all.map(({ name }) => name);
/** Those that do nothing but refuse have nothing to be told. */
const available = all.filter(({ about }) => about.tag !== 'Not available').map(({ name }) => name);

describe('the document', () => {
  it('has every route, and no other', () => {
    const routes = rig({ handler_prefix: '/v1/' }).routes.map(({ path }) => path);
    const { servers, paths } = describeApi({ handler_prefix: '/v1/', insecure: true });
    const described = Object.keys(paths).map((path) => servers[0]!.url + path);
    expect(described.sort()).toEqual(routes.filter((path) => path !== '/v1').sort());
  });

  it('says of each method what it is for', () => {
    const tags = description.tags.map(({ name }) => name);
    const operations = Object.entries(description.paths).map(([path, { post }]) => ({ path, ...post }));
    for (const {
      path,
      operationId,
      summary,
      description,
      tags: [tag],
    } of operations) {
      expect(path).toBe(`/${operationId}`);
      expect([summary, description]).not.toContain('');
      expect(tags).toContain(tag);
    }
    expect(new Set(operations.map(({ summary }) => summary)).size).toBe(operations.length);
  });

  it('describes every field', () => {
    const undescribed = (given: Schema, at: string): string[] =>
      Object.entries(given.properties ?? {}).flatMap(([name, property]) => [
        ...(property.description || property.$ref ? [] : [`${at}.${name}`]),
        ...undescribed(property.items ?? property, `${at}.${name}`),
      ]);
    const { schemas } = description.components;
    expect(Object.entries(schemas).flatMap(([name, schema]) => undescribed(schema, name))).toEqual([]);
  });

  it('refers to nothing that is not there, and has nothing that is not referred to', () => {
    const refs = new Set(JSON.stringify(description).match(/(?<="\$ref":")[^"]+/g));
    for (const ref of refs) expect(() => resolveRef(ref)).not.toThrow();
    const { schemas, responses } = description.components;
    const components = [...Object.keys(schemas).map((name) => `schemas/${name}`)];
    components.push(...Object.keys(responses).map((name) => `responses/${name}`));
    expect(components.filter((name) => !refs.has(`#/components/${name}`))).toEqual([]);
  });

  it('asks for the key where the server does', () => {
    const { securitySchemes } = description.components;
    const places = Object.values(securitySchemes).map(({ in: place, name }) => `${place} ${name}`);
    expect(places).toEqual(['header X-API-Key', 'header Authorization']);
    expect(description.security.flatMap(Object.keys)).toEqual(Object.keys(securitySchemes));
    expect(describeApi({ handler_prefix: '/', insecure: true })).toMatchObject({
      security: [],
      servers: [{ url: '/' }],
    });
  });

  it('says which fields a request must have', () => {
    const required = all.filter(({ name }) => requestSchema(name).required !== undefined);
    expect(Object.fromEntries(required.map(({ name }) => [name, requestSchema(name).required]))).toEqual({
      publish: ['channel'],
      broadcast: ['channels'],
      subscribe: ['channel'],
      history: ['channel'],
      history_remove: ['channel'],
      presence: ['channel'],
      presence_stats: ['channel'],
      rpc: ['method'],
    });
  });
});

const bytesOf = (data: Bytes | Payload): string => Buffer.from('bytes' in data ? data.bytes : data).toString();

/** Of several methods in a command of a batch only the first counts. */
function counted(sent: object): object {
  if (!('commands' in sent)) return sent;
  const commands = (sent.commands as Record<string, object>[]).map((command) => {
    const name = methods.find(({ name }) => command[name] !== undefined)?.name;
    return name === undefined ? {} : { [name]: command[name] };
  });
  return { ...sent, commands };
}

const isCommand = (values: object): values is Command => 'method' in values && 'request' in values;

/** A request as it was read, in the form in which it was sent. */
function asSent(given: Schema, read: unknown): unknown {
  const schema = resolved(given);
  if (read === undefined) return null;
  if (schema.type === undefined) return JSON.parse(bytesOf(read as Bytes | Payload)) as unknown;
  if (Array.isArray(read)) return read.map((item) => asSent(schema.items!, item));
  if (schema.type !== 'object' || schema.additionalProperties !== undefined) return read;
  const values = read as Readonly<Record<string, unknown>>;
  // Commands of a batch are by name of method, all else is in camel case.
  const property = (name: string): unknown =>
    isCommand(values)
      ? name === values.method?.name
        ? values.request
        : undefined
      : values[name.replace(/_(.)/g, (_, c: string) => c.toUpperCase())];
  return Object.fromEntries(
    Object.entries(schema.properties!).map(([name, value]) => [name, asSent(value, property(name))]),
  );
}

describe('requests', () => {
  it.each(all)('the example of $name is one, and is read', async ({ name, about }) => {
    expect(mismatches(requestSchema(name), about.example)).toEqual([]);
    const { status, body } = await rig().post(name, about.example);
    expect(status).toBe(200);
    expect(body).not.toContain('"code":107');
  });

  it.each(all)('whatever is described is read, and what is read is what was sent: $name', ({ name, request }) => {
    const schema = requestSchema(name);
    fc.assert(
      fc.property(arbitrary(schema), (sent) => {
        const text = JSON.stringify(sent);
        const read = asSent(schema, request.read(new JsonReader(Buffer.from(text))));
        expect(read).toMatchObject(counted(JSON.parse(text) as object));
      }),
      { numRuns: 50 },
    );
  });

  it.each(available)('a value of another type than described is refused: %s', async (name) => {
    const { post } = rig();
    const { properties = {} } = requestSchema(name);
    for (const [field, schema] of Object.entries(properties)) {
      if (schema.type === undefined) continue;
      const wrong = [1.5, 'text', true, [1.5], { a: 1.5 }].filter((value) => mismatches(schema, value).length > 0);
      const known = wrong.filter((value) => schema.additionalProperties || !isObject(schema, value));
      for (const value of known) expect([field, value, (await post(name, { [field]: value })).status]).toContain(400);
    }
  });

  /** Fields that the server does not know are passed over, though they are not described. */
  const isObject = (schema: Schema, value: unknown): boolean =>
    resolved(schema).type === 'object' && typeof value === 'object' && !Array.isArray(value);
});

describe('answers', () => {
  /** With everything that there is to say. */
  function fullRig() {
    const full = rig();
    const info = { user: 'u', client: 'c', connInfo: Buffer.from('1'), chanInfo: Buffer.from('{}') };
    full.channels.position = { offset: 1, epoch: 'e' };
    full.channels.publications = [publication({ info, tags: { a: 'b' } })];
    full.channels.clients = { c: info };
    return full;
  }

  const requests: Record<string, object> = {
    broadcast: { channels: ['c', 'no:c'], data: 1 },
    batch: {
      commands: [
        { publish: { channel: 'c', data: 1 } },
        { broadcast: { channels: ['c', 'no:c'], data: 1 } },
        ...['history', 'history_remove', 'presence', 'presence_stats'].map((name) => ({
          [name]: { channel: 'stream:c' },
        })),
        ...['subscribe', 'unsubscribe'].map((name) => ({ [name]: { user: 'u', channel: 'c' } })),
        ...['disconnect', 'refresh', 'info', 'channels', 'map_clear'].map((name) => ({ [name]: { user: 'u' } })),
      ],
    },
  };

  it.each(names)('to %s are as described, and nothing more is', async (name) => {
    const full = fullRig();
    full.clock.advance(1000);
    const seen = new Set<string>();
    const ask = async (body: object) => {
      const answer = JSON.parse((await full.post(name, body)).body) as unknown;
      expect(mismatches(responseSchema(name, 200), answer, '', seen)).toEqual([]);
    };
    await ask(requests[name] ?? { channel: 'stream:c', data: 1, user: 'u' });
    await ask({ channel: 'no:c', pattern: '[', method: 'm' });
    full.failing.error = errors.internal;
    await ask({ user: 'u' });
    const missing = places(responseSchema(name, 200)).filter((place) => !seen.has(place));
    expect(missing.filter((place) => !neverSaid(name, place))).toEqual([]);
  });

  /** Without parameters nothing is wrong with a request, and methods that are there to refuse have no result. */
  function neverSaid(name: string, place: string): boolean {
    if (name === 'info') return place.startsWith('.error');
    if (name === 'batch') return /^\.replies\[\]\.(rpc|map_|shared_poll)/.test(place);
    return (name === 'rpc' || !available.includes(name)) && place === '.result';
  }

  it.each([
    ['publish', { channel: 'no:c', data: 1 }, 404],
    ['rpc', { method: 'm' }, 404],
    ['publish', {}, 400],
    ['presence', { channel: 'c' }, 400],
    ['history', { channel: 'stream:c', since: { offset: 1, epoch: 'other' } }, 416],
    ['unsubscribe', { user: 'u' }, 500],
  ])('errors in the status are as described: %s %j, %i', async (name, body, status) => {
    const { post, failing } = rig({ insecure: true, error_mode: 'transport' });
    failing.error = errors.internal;
    const answer = await post(name, body);
    expect(answer.status).toBe(status);
    expect(mismatches(responseSchema(name, status), JSON.parse(answer.body))).toEqual([]);
    const { code, message } = JSON.parse(answer.body) as { code: number; message: string };
    expect(description.components.responses[status]!.description).toContain(`${code}, ${message}`);
  });
});
