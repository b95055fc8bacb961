/** What the application says: `{"result": …}`, `{"error": …}` or `{"disconnect": …}`. Of several the last in this order counts. */
import type { ClientError, Disconnect } from '../protocol/codes.js';
import { JsonFields, readObject } from '../protocol/json-reader.js';
import type { Bytes } from '../protocol/messages.js';

export type Answer<R> =
  /** Undefined: the application answered, and gave no result. */
  | { readonly result: R | undefined }
  | { readonly refusal: ClientError | Disconnect }
  /** No answer in time, or none that can be understood. It is in the log. */
  | { readonly failed: true };

export const FAILED = Object.freeze({ failed: true });

interface Envelope<R> {
  result?: R | undefined;
  error?: ClientError | undefined;
  disconnect?: Disconnect | undefined;
}

/** How to read the answers to one kind of event. */
export type AnswerForm<R> = JsonFields<Envelope<R>>;

const errorFields = new JsonFields<{ -readonly [K in keyof ClientError]: ClientError[K] }>({
  code: (r) => r.uint32(),
  message: (r) => r.string(),
  temporary: (r) => r.boolean(),
});

const disconnectFields = new JsonFields<{ -readonly [K in keyof Disconnect]: Disconnect[K] }>({
  code: (r) => r.uint32(),
  reason: (r) => r.string(),
});

/** @param finish  last touches to a result. */
export function answerForm<R extends object>(
  empty: () => R,
  table: ConstructorParameters<typeof JsonFields<R>>[0],
  finish: (result: R) => R = (result) => result,
): AnswerForm<R> {
  const fields = new JsonFields<R>(table);
  return new JsonFields<Envelope<R>>({
    result: (r) => {
      const result = r.object(empty(), fields);
      return result && finish(result);
    },
    error: (r) => r.object({ code: 0, message: '', temporary: false }, errorFields),
    disconnect: (r) => r.object({ code: 0, reason: '' }, disconnectFields),
  });
}

/** @throws JsonError */
export function readAnswer<R>(body: Bytes, form: AnswerForm<R>): Answer<R> {
  const { result, error, disconnect } = readObject<Envelope<R>>(body, {}, form);
  const refusal = disconnect ?? error;
  return refusal === undefined ? { result } : { refusal };
}
