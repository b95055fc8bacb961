/** What the application is asked about, and what it may answer. */
import { type Base64Twins, base64, chooseTwins, raw, type SubscriptionClaims, subscription } from '../auth/claims.js';
import { JsonFields } from '../protocol/json-fields.js';
import type { JsonReader } from '../protocol/json-reader.js';
import type { Bytes, ConnectRequest, PublishRequest, RpcRequest, SubscribeRequest } from '../protocol/messages.js';
import { type Answer, answerForm } from './answer.js';
import type { EventProxy } from './event-proxy.js';
import type { Subject } from './question.js';
import type { SubscribeStream } from './subscribe-stream.js';

/** Unix seconds in all results; 0 for never. */
interface Expiring {
  expireAt: number;
}

export interface ConnectProxyResult extends Expiring {
  user: string;
  info?: Bytes | undefined;
  /** For the client, in the connect reply. */
  data?: Bytes | undefined;
  /** For the application itself, with later events. */
  meta?: Bytes | undefined;
  channels: string[];
  /** Win over `channels`. */
  subs: Record<string, SubscriptionClaims>;
}

export interface RefreshProxyResult extends Expiring {
  expired: boolean;
  info?: Bytes | undefined;
  meta?: Bytes | undefined;
}

export interface SubscribeProxyResult extends Expiring, SubscriptionClaims {}

export interface SubRefreshProxyResult extends Expiring {
  expired: boolean;
  info?: Bytes | undefined;
}

export interface PublishProxyResult {
  /** Instead of what the client sent. */
  data?: Bytes | undefined;
  /** The data is known to be JSON. */
  isJson: boolean;
  skipHistory: boolean;
  tags?: Record<string, string> | undefined;
  idempotencyKey: string;
  delta: boolean;
  version: number;
  versionEpoch: string;
}

export interface RpcProxyResult {
  data?: Bytes | undefined;
}

const info = { info: raw, b64info: base64 };
const data = { data: raw, b64data: base64 };
const expireAt = (r: JsonReader): number => r.int64();
const expired = (r: JsonReader): boolean => r.boolean();

const subFields = new JsonFields<SubscriptionClaims & Base64Twins>({
  ...subscription,
  cacheRecover: (r) => r.boolean(),
});

const connectForm = answerForm<ConnectProxyResult & Base64Twins>(
  'Connect',
  () => ({ user: '', expireAt: 0, channels: [], subs: {} }),
  {
    user: (r) => r.string(),
    expireAt,
    ...info,
    ...data,
    meta: raw,
    channels: (r) => r.array((name) => name.string()) ?? [],
    subs: (r) => r.record((sub) => chooseTwins(sub.object({}, subFields) ?? {})) ?? {},
  },
  chooseTwins,
);

const refreshForm = answerForm<RefreshProxyResult & Base64Twins>(
  'Refresh',
  () => ({ expired: false, expireAt: 0 }),
  { expired, expireAt, ...info, meta: raw },
  chooseTwins,
);

const subscribeForm = answerForm<SubscribeProxyResult & Base64Twins>(
  'Subscribe',
  () => ({ expireAt: 0 }),
  { expireAt, ...subscription },
  chooseTwins,
);

const subRefreshForm = answerForm<SubRefreshProxyResult & Base64Twins>(
  'SubRefresh',
  () => ({ expired: false, expireAt: 0 }),
  { expired, expireAt, ...info },
  chooseTwins,
);

const publishForm = answerForm<PublishProxyResult & Base64Twins>(
  'Publish',
  () => ({ isJson: false, skipHistory: false, idempotencyKey: '', delta: false, version: 0, versionEpoch: '' }),
  {
    ...data,
    skipHistory: (r) => r.boolean(),
    tags: (r) => r.record((tag) => tag.string()),
    idempotencyKey: (r) => r.string(),
    delta: (r) => r.boolean(),
    version: (r) => r.uint64(),
    versionEpoch: (r) => r.string(),
  },
  // Unlike elsewhere base64 is second here.
  ({ data, b64data, ...result }, fromJson) => ({
    ...result,
    data: data ?? b64data,
    isJson: fromJson && data !== undefined,
  }),
);

const rpcForm = answerForm<RpcProxyResult & Base64Twins>('RPC', () => ({}), data, chooseTwins);

/** Who is it? Asked instead of a token. */
export function askConnect(
  proxy: EventProxy,
  about: Subject,
  request: ConnectRequest,
): Promise<Answer<ConnectProxyResult>> {
  const { data, name, version, subs = {} } = request;
  return proxy.ask(about, { name, version, channels: Object.keys(subs), data }, connectForm, false);
}

/** May this connection go on, now that it has expired? */
export function askRefresh(proxy: EventProxy, about: Subject): Promise<Answer<RefreshProxyResult>> {
  return proxy.ask(about, {}, refreshForm);
}

export function askSubscribe(
  proxy: EventProxy,
  about: Subject,
  { channel, data }: Pick<SubscribeRequest, 'channel' | 'data'>,
): Promise<Answer<SubscribeProxyResult>> {
  return proxy.ask(about, { channel, data }, subscribeForm);
}

/** Undefined where there are no streams, see {@link EventProxy.open}. */
export function openStream(
  proxy: EventProxy,
  about: Subject,
  { channel, data }: Pick<SubscribeRequest, 'channel' | 'data'>,
  bidirectional: boolean,
): SubscribeStream<SubscribeProxyResult> | undefined {
  return proxy.open(about, { channel, data }, subscribeForm, bidirectional);
}

/** May this subscription go on, now that it has expired? */
export function askSubRefresh(
  proxy: EventProxy,
  about: Subject,
  channel: string,
): Promise<Answer<SubRefreshProxyResult>> {
  return proxy.ask(about, { channel }, subRefreshForm);
}

export function askPublish(
  proxy: EventProxy,
  about: Subject,
  { channel, data }: Pick<PublishRequest, 'channel' | 'data'>,
): Promise<Answer<PublishProxyResult>> {
  return proxy.ask(about, { channel, data }, publishForm);
}

export function askRpc(
  proxy: EventProxy,
  about: Subject,
  { method, data }: RpcRequest,
): Promise<Answer<RpcProxyResult>> {
  return proxy.ask(about, { method, data }, rpcForm);
}
