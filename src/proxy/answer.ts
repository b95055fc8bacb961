/** What the application says: a result, an error or a disconnect. Of several the last in this order counts. */
import { type Base64Twins, chooseTwins, type SubscriptionClaims, type SubscriptionOverride } from '../auth/claims.js';
import { decodeBase64 } from '../lib/base64.js';
import { retained } from '../lib/bytes.js';
import type { ClientError, Disconnect } from '../protocol/codes.js';
import { isJson } from '../protocol/is-json.js';
import { JsonFields } from '../protocol/json-fields.js';
import { readObject } from '../protocol/json-reader.js';
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

/** A result as it comes by gRPC: what is not set is absent, times are numbers. */
interface ResultMessage extends Readonly<Record<string, unknown>> {
  readonly info?: Bytes;
  readonly data?: Bytes;
  readonly meta?: Bytes;
  readonly b64info?: string;
  readonly b64data?: string;
  readonly override?: Readonly<Record<string, { readonly value?: boolean }>>;
  readonly subs?: Readonly<Record<string, ResultMessage>>;
}

/** Any answer as it comes by gRPC. */
export interface AnswerMessage {
  readonly result?: ResultMessage;
  readonly error?: Partial<ClientError>;
  readonly disconnect?: Partial<Disconnect>;
}

/** How to ask about one kind of event, and to read the answers. */
export interface AnswerForm<R> {
  /** Of the gRPC service. */
  readonly method: string;
  readonly json: JsonFields<Envelope<R>>;
  /** @throws Error for what cannot be understood. */
  fromMessage(result: ResultMessage): R;
}

const NO_ERROR: ClientError = { code: 0, message: '', temporary: false };
const NO_DISCONNECT: Disconnect = { code: 0, reason: '' };

const errorFields = new JsonFields<{ -readonly [K in keyof ClientError]: ClientError[K] }>({
  code: (r) => r.uint32(),
  message: (r) => r.string(),
  temporary: (r) => r.boolean(),
});

const disconnectFields = new JsonFields<{ -readonly [K in keyof Disconnect]: Disconnect[K] }>({
  code: (r) => r.uint32(),
  reason: (r) => r.string(),
});

/** @param finish  last touches to a result; `fromJson`: it came as JSON, so that what is raw in it is JSON. */
export function answerForm<R extends object>(
  method: string,
  empty: () => R,
  table: ConstructorParameters<typeof JsonFields<R>>[0],
  finish: (result: R, fromJson: boolean) => R = (result) => result,
): AnswerForm<R> {
  const fields = new JsonFields<R>(table);
  const json = new JsonFields<Envelope<R>>({
    result: (r) => {
      const result = r.object(empty(), fields);
      return result && finish(result, true);
    },
    error: (r) => r.object({ ...NO_ERROR }, errorFields),
    disconnect: (r) => r.object({ ...NO_DISCONNECT }, disconnectFields),
  });
  return { method, json, fromMessage: (result) => finish({ ...empty(), ...likeJson(result) }, false) };
}

/** @throws JsonError */
export function readAnswer<R>(body: Bytes, form: AnswerForm<R>): Answer<R> {
  return answerOf(readObject<Envelope<R>>(body, {}, form.json));
}

/** @throws Error for what cannot be understood. */
export function readMessage<R>({ result, error, disconnect }: AnswerMessage, form: AnswerForm<R>): Answer<R> {
  return answerOf({
    result: result && form.fromMessage(result),
    error: error && { ...NO_ERROR, ...error },
    disconnect: disconnect && { ...NO_DISCONNECT, ...disconnect },
  });
}

function answerOf<R>({ result, error, disconnect }: Envelope<R>): Answer<R> {
  const refusal = disconnect ?? error;
  return refusal === undefined ? { result } : { refusal };
}

/** A result in the shape that it has when it is read from JSON. */
function likeJson(message: ResultMessage): object {
  const { info, data, meta, b64info, b64data, override, subs, ...rest } = message;
  if (meta !== undefined && !isJson(meta)) throw new Error('meta is not JSON');
  const result: Record<string, unknown> & Base64Twins = rest;
  Object.assign(result, { info: kept(info), data: kept(data), meta: kept(meta) });
  result.b64info = fromBase64(b64info);
  result.b64data = fromBase64(b64data);
  if (override !== undefined) result.override = likeOverride(override);
  if (subs !== undefined) result.subs = likeSubs(subs);
  return result;
}

/** Beyond the message that it is a part of. */
const kept = (bytes: Bytes | undefined): Bytes | undefined => bytes && retained(bytes);

function fromBase64(text: string | undefined): Bytes | undefined {
  if (!text) return undefined;
  const decoded = decodeBase64(text);
  if (decoded === undefined) throw new Error('not base64');
  return decoded;
}

const likeOverride = (override: NonNullable<ResultMessage['override']>): SubscriptionOverride =>
  Object.fromEntries(Object.entries(override).map(([name, { value = false }]) => [name, value]));

const likeSubs = (subs: NonNullable<ResultMessage['subs']>): Record<string, SubscriptionClaims> =>
  Object.fromEntries(Object.entries(subs).map(([name, sub]) => [name, chooseTwins(likeJson(sub))]));
