import type { ClientError } from '../protocol/codes.js';
import type { JsonFields, JsonReader } from '../protocol/json-reader.js';
import type { JsonWriter } from '../protocol/json-writer.js';
import type { ApiDeps } from './deps.js';
import { type ApiError, apiErrors, fromClientError } from './errors.js';

/** Called exactly once. `result` is defined exactly when `error` is null. Must not throw. */
export type ApiDone<T> = (error: ApiError | null, result: T | undefined) => void;

/** Something an application may ask. Payload fields of a request are views into the message that it was read from. */
export interface Method<Request extends object, Result extends object> {
  /** Last part of the URL, key of a command in a batch, and upper-cased the name in the legacy API. */
  readonly name: string;
  /** @throws JsonError */
  read(reader: JsonReader): Request;
  run(request: Request, deps: ApiDeps, done: ApiDone<Result>): void;
  /**
   * The fields of the result, without its braces.
   * @throws InappropriatePayload on a payload that is not JSON.
   */
  write(w: JsonWriter, result: Result): void;
}

/** One of many. Requests and results go back to the method that they came from. */
export type AnyMethod = Method<object, object>;

/** `null` is a request with nothing set. */
export function readRequest<T extends object>(reader: JsonReader, empty: T, fields: JsonFields<T>): T {
  return reader.object(empty, fields) ?? empty;
}

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

export const NOTHING = Object.freeze({});

/** For methods whose success says it all: `{}`. */
export const writeNothing = (): void => {};

export function writeError(w: JsonWriter, error: ApiError): void {
  w.open();
  w.numberField('code', error.code);
  w.textField('message', error.message);
  w.close();
}

/** `{"error": …}` or `{"<name>": {…}}`, what `write` puts into the inner braces. */
export function writeOutcome(w: JsonWriter, name: string, error: ApiError | null, write: () => void): void {
  w.open();
  if (error !== null) {
    w.key('error');
    writeError(w, error);
  } else {
    w.key(name);
    w.open();
    write();
    w.close();
  }
  w.close();
}
