/** The API description put to use: requests made from it, answers held against it. */
import fc from 'fast-check';
import { openApi } from '../../src/api/openapi.js';
import type { Schema } from '../../src/api/schema.js';

export interface Operation {
  operationId: string;
  summary: string;
  description: string;
  requestBody: { content: { 'application/json': { schema: Schema; example: object } } };
  responses: Record<string, unknown>;
}

export interface Description {
  openapi: string;
  servers: { url: string }[];
  security: object[];
  tags: { name: string }[];
  paths: Record<string, { post: Operation & { tags: string[]; parameters?: object[] } }>;
  components: {
    schemas: Record<string, Schema>;
    responses: Record<string, { description: string }>;
    securitySchemes: Record<string, { in: string; name: string }>;
  };
}

export const describeApi = (config = { handler_prefix: '/api', insecure: false }): Description =>
  openApi(config, '1.2.3') as Description;

export const description = describeApi();

/** Follows JSON pointers within the document. @throws if there is nothing. */
export function resolveRef(pointer: string): unknown {
  const found = pointer
    .split('/')
    .slice(1)
    .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], description);
  if (!pointer.startsWith('#/') || found === undefined) throw new Error(`nothing at ${pointer}`);
  return found;
}

export const resolved = (schema: Schema): Schema =>
  schema.$ref === undefined ? schema : resolved(resolveRef(schema.$ref) as Schema);

export const requestSchema = (method: string): Schema =>
  resolved(description.paths[`/${method}`]!.post.requestBody.content['application/json'].schema);

export function responseSchema(method: string, status: number): Schema {
  const response = description.paths[`/${method}`]!.post.responses[status] as Schema & {
    content: Record<string, { schema: Schema }>;
  };
  const { content } = response.$ref === undefined ? response : (resolveRef(response.$ref) as typeof response);
  return content['application/json']!.schema;
}

/** Whole numbers as JavaScript can tell them apart. */
const RANGES: Record<string, [number, number]> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint32: [0, 2 ** 32 - 1],
  uint64: [0, Number.MAX_SAFE_INTEGER],
};

export function integerRange({ format, minimum }: Schema): { min: number; max: number } {
  const [min, max] = RANGES[format!]!;
  return { min: Math.max(min, minimum ?? min), max };
}

/** Any value that the schema allows. */
export function arbitrary(given: Schema): fc.Arbitrary<unknown> {
  const schema = resolved(given);
  if (schema.type === undefined) return fc.jsonValue();
  switch (schema.type) {
    case 'string':
      if (schema.format === 'byte') return fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64'));
      return fc.string({ minLength: schema.minLength ?? 0, unit: 'grapheme' });
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer(integerRange(schema));
    case 'array':
      return fc.array(arbitrary(schema.items!), { minLength: schema.minItems ?? 0, maxLength: 5 });
    case 'object':
      return schema.additionalProperties === undefined
        ? fc.record(properties(schema), { requiredKeys: [...(schema.required ?? [])] })
        : fc.dictionary(fc.string(), arbitrary(schema.additionalProperties));
  }
}

const properties = (schema: Schema): Record<string, fc.Arbitrary<unknown>> =>
  Object.fromEntries(Object.entries(schema.properties!).map(([name, property]) => [name, arbitrary(property)]));

/**
 * What of a value is not as the schema says, each with its place. Properties that the schema does not know are told too,
 * those that it knows are added to `seen`.
 */
export function mismatches(given: Schema, value: unknown, at = '', seen?: Set<string>): string[] {
  const schema = resolved(given);
  const wrong = (what: string): string[] => [`${at}: ${what}`];
  if (schema.type === undefined) return [];
  switch (schema.type) {
    case 'string':
      if (typeof value !== 'string' || value.length < (schema.minLength ?? 0)) return wrong('string');
      return [];
    case 'boolean':
      return typeof value === 'boolean' ? [] : wrong('boolean');
    case 'integer': {
      const { min, max } = integerRange(schema);
      return Number.isInteger(value) && (value as number) >= min && (value as number) <= max ? [] : wrong('integer');
    }
    case 'array':
      if (!Array.isArray(value) || value.length < (schema.minItems ?? 0)) return wrong('array');
      return value.flatMap((item) => mismatches(schema.items!, item, `${at}[]`, seen));
    case 'object':
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong('object');
      return objectMismatches(schema, value, at, seen);
  }
}

function objectMismatches(schema: Schema, value: object, at: string, seen: Set<string> | undefined): string[] {
  const count = Object.keys(value).length;
  const found: string[] = [];
  if (count < (schema.minProperties ?? 0) || count > (schema.maxProperties ?? count)) found.push(`${at}: size`);
  for (const name of schema.required ?? []) if (!Object.hasOwn(value, name)) found.push(`${at}.${name}: required`);
  for (const [name, item] of Object.entries(value)) {
    const property = schema.additionalProperties ?? schema.properties?.[name];
    const place = `${at}.${schema.additionalProperties ? '*' : name}`;
    seen?.add(place);
    if (property === undefined) found.push(`${place}: not described`);
    else found.push(...mismatches(property, item, place, seen));
  }
  return found;
}

/** Every property that a schema has, in the form in which {@link mismatches} says it has seen them. */
export function places(given: Schema, at = ''): string[] {
  const schema = resolved(given);
  if (schema.items !== undefined) return places(schema.items, `${at}[]`);
  const named = schema.additionalProperties ? { '*': schema.additionalProperties } : (schema.properties ?? {});
  return Object.entries(named).flatMap(([name, property]) => [`${at}.${name}`, ...places(property, `${at}.${name}`)]);
}
