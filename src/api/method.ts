import type { ClientError } from '../protocol/codes.js';
import type { JsonWriter } from '../protocol/json-writer.js';
import type { ApiDeps } from './deps.js';
import { type ApiError, apiErrors, fromClientError } from './errors.js';
import { type Fields, named, optional, type Shape, shape, string, uint32 } from './fields.js';

/** Called exactly once. `result` is defined exactly when `error` is null. Must not throw. */
export type ApiDone<T> = (error: ApiError | null, result: T | undefined) => void;

/** What the API description says of a method. */
export interface About {
  readonly tag: 'Publications' | 'Connections' | 'Channels' | 'Server' | 'Not available';
  /** In a few words. */
  readonly summary: string;
  readonly description?: string;
  /** A request. */
  readonly example: object;
}

/** Something an application may ask. Payload fields of a request are views into the message that it was read from. */
export interface Method<Request extends object, Result extends object> {
  /** Last part of the URL, key of a command in a batch, and upper-cased the name in the legacy API. */
  readonly name: string;
  readonly about: About;
  readonly request: Shape<Request>;
  /** As `write` puts it on the wire. Fields that are zero or empty may be left out. */
  readonly result: Shape<object>;
  run(request: Request, deps: ApiDeps, done: ApiDone<Result>): void;
  /**
   * The fields of the result, without its braces.
   * @throws InappropriatePayload on a payload that is not JSON.
   */
  write(w: JsonWriter, result: Result): void;
}

/** One of many. Requests and results go back to the method that they came from. */
export type AnyMethod = Method<object, object>;

/** Name of a schema of a method in the API description. */
export const schemaName = ({ name }: AnyMethod, part: 'Request' | 'Result'): string =>
  `_${name}`.replace(/_(.)/g, (_, first: string) => first.toUpperCase()) + part;

export function call(method: AnyMethod, request: object, deps: ApiDeps, done: ApiDone<object>): void {
  try {
    method.run(request, deps, done);
  } catch (thrown) {
    deps.log.error({ err: thrown, method: method.name }, 'server API method failed');
    done(apiErrors.internal, undefined);
  }
}

export function settle<T>(promise: Promise<T>, done: ApiDone<T>): void {
  promise.then(
    (result) => done(null, result),
    (refusal: ClientError) => done(fromClientError(refusal), undefined),
  );
}

export const noFields = shape({});

export const NOTHING = Object.freeze({});

/** For methods whose success says it all: `{}`. */
export const writeNothing = (): void => {};

export const errorShape = shape({ code: uint32('Number of the error.'), message: string('What it means.') });

export function writeError(w: JsonWriter, error: ApiError): void {
  w.open();
  w.numberField('code', error.code);
  w.textField('message', error.message);
  w.close();
}

/** What {@link writeOutcome} writes, `results` being the fields that it may have instead of `error`. */
export function outcome(results: Fields): Shape<object> {
  const { read, schema } = shape({ ...results, error: optional(named('Error', errorShape), '') });
  return { read, schema: { ...schema, minProperties: 1, maxProperties: 1 } };
}

/** `{"error": …}` or `{"<name>": {…}}`, what `write` says of the result in the inner braces. */
export function writeOutcome<T>(
  w: JsonWriter,
  name: string,
  error: ApiError | null,
  write: (w: JsonWriter, result: T) => void,
  result: T | undefined,
): void {
  w.open();
  if (error !== null) {
    w.key('error');
    writeError(w, error);
  } else {
    w.key(name);
    w.open();
    write(w, result!);
    w.close();
  }
  w.close();
}
