/**
 * What tokens say. Read with the byte scanner and not with JSON.parse, because `info`, `data` and `meta` are carried to
 * other clients and to the application exactly as they were signed: numbers beyond 2^53, key order, spacing.
 */
import { decodeBase64 } from '../lib/base64.js';
import { retained } from '../lib/bytes.js';
import { JsonFields } from '../protocol/json-fields.js';
import { JsonReader } from '../protocol/json-reader.js';
import { JsonError } from '../protocol/json-scanner.js';
import type { Bytes } from '../protocol/messages.js';

/** Channel options that a token or a proxy sets for one subscription; undefined leaves the namespace's. */
export interface SubscriptionOverride {
  presence?: boolean | undefined;
  joinLeave?: boolean | undefined;
  forcePushJoinLeave?: boolean | undefined;
  forcePositioning?: boolean | undefined;
  forceRecovery?: boolean | undefined;
}

/** What a token says about one subscription. */
export interface SubscriptionClaims {
  /** `chan_info` of the subscription. */
  info?: Bytes | undefined;
  /** Handed to the client with the subscription. */
  data?: Bytes | undefined;
  override?: SubscriptionOverride | undefined;
  /** Start with the newest publication, unasked, where the channel recovers by cache. Only a connect proxy says so. */
  cacheRecover?: boolean | undefined;
}

export interface RegisteredClaims {
  sub: string;
  iss: string;
  aud: string[];
  /** Unix seconds, with a fraction if the token has one. */
  exp?: number | undefined;
  nbf?: number | undefined;
  iat?: number | undefined;
  jti?: string;
  /** Unix seconds, integer. */
  expireAt?: number | undefined;
  channel: string;
}

export interface ConnectClaims extends RegisteredClaims {
  info?: Bytes | undefined;
  meta?: Bytes | undefined;
  channels: string[];
  subs: Record<string, SubscriptionClaims>;
}

export interface SubscribeClaims extends RegisteredClaims, SubscriptionClaims {
  client: string;
}

/** `b64…` wins over its JSON twin whichever comes first, so both are kept until the object has been read. */
export interface Base64Twins {
  b64info?: Bytes | undefined;
  b64data?: Bytes | undefined;
}

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

const text = (reader: JsonReader): string => reader.string();
/** JSON as written, kept beyond what it is read from. */
export const raw = (reader: JsonReader): Bytes => retained(reader.raw());

/** Undefined for ''. @throws JsonError */
export function base64(reader: JsonReader): Bytes | undefined {
  const encoded = reader.string();
  if (encoded === '') return undefined;
  const decoded = decodeBase64(encoded);
  if (decoded === undefined) throw new JsonError('not base64');
  return retained(decoded);
}

/** RFC 7519 NumericDate. A number in quotes is accepted too: Centrifugo accepts it and some backends send it. */
function numericDate(reader: JsonReader): number | undefined {
  if (reader.isNull()) return undefined;
  if (!reader.isString()) return reader.number();
  const digits = reader.raw().toString('latin1').slice(1, -1);
  if (!JSON_NUMBER.test(digits)) throw new JsonError('date is not a number');
  return Number(digits);
}

function audience(reader: JsonReader): string[] {
  const value: unknown = JSON.parse(reader.raw().toString());
  const list = Array.isArray(value) ? value : [value];
  if (!list.every((item) => typeof item === 'string'))
    throw new JsonError('aud is neither a string nor a list of them');
  return list;
}

const boolValueFields = new JsonFields<{ value: boolean }>({ value: (reader) => reader.boolean() });
const boolValue = (reader: JsonReader): boolean | undefined => reader.object({ value: false }, boolValueFields)?.value;

const overrideFields = new JsonFields<SubscriptionOverride>({
  presence: boolValue,
  joinLeave: boolValue,
  forcePushJoinLeave: boolValue,
  forcePositioning: boolValue,
  forceRecovery: boolValue,
});

const registered = {
  sub: text,
  iss: text,
  aud: audience,
  exp: numericDate,
  nbf: numericDate,
  iat: numericDate,
  jti: text,
  expireAt: (reader: JsonReader) => (reader.isNull() ? undefined : reader.int64()),
  channel: text,
};

/** What tokens and the application say about a subscription. */
export const subscription = {
  info: raw,
  data: raw,
  b64info: base64,
  b64data: base64,
  override: (reader: JsonReader) => reader.object<SubscriptionOverride>({}, overrideFields),
};

const subscriptionFields = new JsonFields<SubscriptionClaims & Base64Twins>(subscription);

const connectFields = new JsonFields<ConnectClaims & Base64Twins>({
  ...registered,
  info: raw,
  b64info: base64,
  meta: raw,
  channels: (reader) => reader.array(text) ?? [],
  subs: (reader) => reader.record(readSubscriptionClaims) ?? {},
});

const subscribeFields = new JsonFields<SubscribeClaims & Base64Twins>({ ...registered, ...subscription, client: text });

function readSubscriptionClaims(reader: JsonReader): SubscriptionClaims {
  const claims: SubscriptionClaims & Base64Twins = {};
  reader.object(claims, subscriptionFields);
  return chooseTwins(claims);
}

export function chooseTwins<T extends Pick<SubscriptionClaims, 'info' | 'data'> & Base64Twins>(claims: T): T {
  if (claims.b64info !== undefined) claims.info = claims.b64info;
  if (claims.b64data !== undefined) claims.data = claims.b64data;
  return claims;
}

/** @throws JsonError for what is not a JSON object, or for a claim of the wrong type. */
export function readConnectClaims(reader: JsonReader): ConnectClaims {
  const claims: ConnectClaims & Base64Twins = { sub: '', iss: '', aud: [], channel: '', channels: [], subs: {} };
  reader.object(claims, connectFields);
  reader.end();
  return chooseTwins(claims);
}

/** @throws JsonError, as {@link readConnectClaims}. */
export function readSubscribeClaims(reader: JsonReader): SubscribeClaims {
  const claims: SubscribeClaims & Base64Twins = { sub: '', iss: '', aud: [], channel: '', client: '' };
  reader.object(claims, subscribeFields);
  reader.end();
  return chooseTwins(claims);
}

/** The claim of this exact name as text: strings as they are, other values as written; '' if it is absent or null. */
export function claimAsText(payload: Bytes, name: string): string {
  const written = new JsonReader(payload).record((reader) => reader.raw())?.[name]?.toString() ?? '';
  if (written.startsWith('"')) return JSON.parse(written) as string;
  return written === 'null' ? '' : written;
}
