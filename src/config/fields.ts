import { z } from 'zod';
import { parseDuration } from './duration.js';

/**
 * The field kinds that the schema is made of. Each returns a zod schema with its default, and registers what zod does
 * not keep in a readable form: the kind (how a string from the environment is read, how a value is printed) and the
 * default as a person would write it. A default is therefore never absent: `{}` is a complete configuration.
 */
export type Option =
  | { kind: 'bool' | 'int' | 'text' | 'choice' | 'duration' | 'pem' | 'strings' | 'stringMap'; leaf: Leaf }
  | { kind: 'section'; shape: Shape }
  | { kind: 'list'; shape: Shape };

export interface Leaf {
  /** As written in a file: a duration is a string here. */
  default: unknown;
  /** What a correct value is, to finish "wanted …". */
  wanted: string;
  /** Its value is never printed. */
  secret: boolean;
}

export type Shape = Readonly<Record<string, z.ZodType>>;
type Kind = Exclude<Option['kind'], 'section' | 'list'>;

const options = new WeakMap<z.ZodType, Option>();

/** What is known of a schema made by this file; undefined for anything else. */
export const optionOf = (schema: z.ZodType): Option | undefined => options.get(schema);

export const isLeaf = (option: Option): option is Extract<Option, { leaf: Leaf }> => 'leaf' in option;

function leaf<S extends z.ZodType>(
  schema: S,
  kind: Kind,
  about: { default: unknown; wanted: string; secret?: boolean },
) {
  options.set(schema, { kind, leaf: { secret: false, ...about } });
  return schema;
}

export const bool = (description: string) =>
  leaf(z.boolean().default(false).describe(description), 'bool', { default: false, wanted: 'true or false' });

/** A whole number, by default 0; what 0 means is in the description. */
export function int(byDefault: number, description: string, range: { min?: number; max?: number } = {}) {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = range;
  const bounds =
    range.max !== undefined ? ` from ${min} to ${max}` : range.min !== undefined ? `, at least ${min}` : '';
  return leaf(z.number().int().min(min).max(max).default(byDefault).describe(description), 'int', {
    default: byDefault,
    wanted: `a whole number${bounds}`,
  });
}

export const text = (byDefault: string, description: string) =>
  leaf(z.string().default(byDefault).describe(description), 'text', { default: byDefault, wanted: 'a string' });

/** Text that must not be printed: keys, passwords, addresses with credentials in them. */
export const secret = (description: string, byDefault = '') =>
  leaf(z.string().default(byDefault).describe(description), 'text', {
    default: byDefault,
    wanted: 'a string',
    secret: true,
  });

export function choice<const T extends string>(values: readonly T[], byDefault: NoInfer<T>, description: string) {
  return leaf(z.enum(values).default(byDefault).describe(description), 'choice', {
    default: byDefault,
    wanted: `one of ${values.map((value) => `"${value}"`).join(', ')}`,
  });
}

/**
 * A length of time: milliseconds in code, `"1m30s"` (or nanoseconds as a number) in a file.
 *
 * @param precision `'s'` for what is stored in whole seconds, where a fraction of a second is an error.
 */
export function duration(byDefault: string, description: string, precision: 'ms' | 's' = 'ms') {
  const wanted = `a duration such as "300ms", "25s" or "1m30s"${precision === 's' ? ' in whole seconds' : ''}`;
  const schema = z
    .union([z.string(), z.number()])
    .transform((value, context) => {
      const ms = parseDuration(value);
      if (ms !== undefined && !(precision === 's' && ms > 0 && ms % 1000 !== 0)) return ms;
      context.addIssue({ code: 'custom', message: wanted });
      return z.NEVER;
    })
    .prefault(byDefault)
    .describe(description);
  return leaf(schema, 'duration', { default: byDefault, wanted });
}

/** PEM content, the same in base64, or the path of a PEM file. */
export const pem = (description: string) =>
  leaf(z.string().default('').describe(`${description}: PEM text, PEM in base64, or a file path.`), 'pem', {
    default: '',
    wanted: 'PEM text, PEM in base64, or a file path',
    secret: true,
  });

export const strings = (byDefault: readonly string[], description: string, about: { secret?: boolean } = {}) =>
  leaf(
    z
      .array(z.string())
      .default([...byDefault])
      .describe(description),
    'strings',
    {
      default: byDefault,
      wanted: 'a list of strings',
      ...about,
    },
  );

/** A list of which each item is one of `values`. */
export const choices = <const T extends string>(values: readonly T[], description: string) =>
  leaf(z.array(z.enum(values)).default([]).describe(description), 'strings', {
    default: [],
    wanted: `a list of ${values.map((value) => `"${value}"`).join(', ')}`,
  });

const pairs = z.array(z.strictObject({ key: z.string(), value: z.string() }));

/**
 * Text by name, written `{"X-Key": "v"}`, or `[{"key": "X-Key", "value": "v"}]` which keeps the case of the name.
 * `${GYRE_VAR_NAME}` and `${CENTRIFUGO_VAR_NAME}` in a value stand for an environment variable.
 */
export function stringMap(description: string) {
  const schema = z
    .union([z.record(z.string(), z.string()), pairs])
    .transform((value, context): Record<string, string> => {
      if (!Array.isArray(value)) return value;
      const map = new Map(value.map((pair) => [pair.key, pair.value]));
      if (map.size < value.length) context.addIssue({ code: 'custom', message: 'names that differ from each other' });
      return Object.fromEntries(map);
    })
    .prefault({})
    .describe(description);
  return leaf(schema, 'stringMap', {
    default: {},
    wanted: 'an object of strings, or a list of {"key", "value"}',
    secret: true,
  });
}

export function section<const S extends Shape>(shape: S, description: string) {
  // Every field has a default, so {} is a valid input whatever the shape; the compiler cannot know.
  const none = {} as z.input<z.ZodObject<S, z.core.$strict>>;
  const schema = z.strictObject(shape).prefault(none).describe(description);
  options.set(schema, { kind: 'section', shape });
  return schema;
}

/** A list of objects. Those with a `name` can also be set from the environment, one variable per field. */
export function list<const S extends Shape>(shape: S, description: string) {
  const schema = z.array(z.strictObject(shape)).default([]).describe(description);
  options.set(schema, { kind: 'list', shape });
  return schema;
}
