/**
 * What requests and results are made of. A field is declared once; from that follow its type, how it is read, what it is
 * in a request without it, and its part of the API description.
 */
import { channelNames } from '../lib/text-cache.js';
import { JsonFields, wireName } from '../protocol/json-fields.js';
import type { JsonReader } from '../protocol/json-reader.js';
import type { Bytes, Payload } from '../protocol/messages.js';
import { ref, type Schema } from './schema.js';

export interface Field<T> {
  /** @throws JsonError */
  readonly read: (reader: JsonReader) => T;
  /** Shared by all requests: not to be changed. */
  readonly empty: T;
  readonly schema: Schema;
  /** For the description only: a request without it is read all the same, and refused with 107. */
  readonly required?: true;
}

export type Fields = Readonly<Record<string, Field<unknown>>>;

/** What these fields are when they have been read. */
export type Values<F extends Fields> = { -readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** An object with given fields: in snake_case on the wire. */
export interface Shape<T extends object> {
  /** `null` is an object with nothing set. @throws JsonError */
  read(reader: JsonReader): T;
  readonly schema: Schema;
}

export function shape<F extends Fields>(fields: F): Shape<Values<F>> {
  const each = <T>(of: (field: Field<unknown>, name: string) => T): [string, T][] =>
    Object.entries(fields).map(([name, field]) => [name, of(field, name)]);
  const known = new JsonFields<Record<string, unknown>>(Object.fromEntries(each(({ read }) => read)));
  const empty = Object.fromEntries(each(({ empty }) => empty));
  const required = Object.keys(fields).filter((name) => fields[name]!.required);
  return {
    read(reader) {
      const target = { ...empty };
      return (reader.object(target, known) ?? target) as Values<F>;
    },
    schema: {
      type: 'object',
      properties: Object.fromEntries(each(({ schema }) => schema).map(([name, schema]) => [wireName(name), schema])),
      ...(required.length > 0 && { required: required.map(wireName) }),
    },
  };
}

/** Without it the request makes no sense. */
export function required<T>(field: Field<T>): Field<T> {
  const atLeast = field.schema.type === 'array' ? { minItems: 1 } : { minLength: 1 };
  return { ...field, required: true, schema: { ...field.schema, ...atLeast } };
}

const scalar =
  <T>(read: (reader: JsonReader) => T, empty: T, schema: Schema) =>
  (description: string): Field<T> => ({ read, empty, schema: { ...schema, description } });

export const string = scalar((r) => r.string(), '', { type: 'string' });
export const boolean = scalar((r) => r.boolean(), false, { type: 'boolean' });
export const int32 = scalar((r) => r.int32(), 0, { type: 'integer', format: 'int32' });
export const int64 = scalar((r) => r.int64(), 0, { type: 'integer', format: 'int64' });
export const uint32 = scalar((r) => r.uint32(), 0, { type: 'integer', format: 'uint32', minimum: 0 });
export const uint64 = scalar((r) => r.uint64(), 0, { type: 'integer', format: 'uint64', minimum: 0 });
/** Bytes in base64. Whoever uses them decodes them. */
export const base64 = scalar((r) => r.string(), '', { type: 'string', format: 'byte' });
/** Any JSON, as a view of it as it was sent. */
/** The name of a channel: there are fewer of them than requests. */
export const channelName = scalar((r) => r.cachedString(channelNames), '', { type: 'string' });
export const json = scalar<Bytes | undefined>((r) => r.raw(), undefined, {});
/** The same of what is going to be published. */
export const payload = scalar<Payload | undefined>((r) => r.payload(), undefined, {});

export function list<T>({ read, schema }: Pick<Field<T>, 'read' | 'schema'>, description: string): Field<T[]> {
  return { read: (r) => r.array(read) ?? [], empty: [], schema: { type: 'array', items: schema, description } };
}

/** Free keys. */
export function record<T>(
  { read, schema }: Pick<Field<T>, 'read' | 'schema'>,
  description: string,
): Field<Record<string, T> | undefined> {
  return {
    read: (r) => r.record(read),
    empty: undefined,
    schema: { type: 'object', additionalProperties: schema, description },
  };
}

/** `null` is as good as nothing. */
export function optional<T extends object>({ read, schema }: Shape<T>, description: string): Field<T | undefined> {
  return {
    read: (r) => (r.isNull() ? undefined : read(r)),
    empty: undefined,
    // Nothing can be said next to a reference.
    schema: schema.$ref === undefined ? { ...schema, description } : schema,
  };
}

/** The description has the schema in one place, under this name, and refers to it. */
export const named = <T extends object>(name: string, { read }: Shape<T>): Shape<T> => ({ read, schema: ref(name) });
