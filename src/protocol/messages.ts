/**
 * The client protocol's messages, independent of their encoding.
 *
 * `Bytes` fields are opaque application payloads: JSON text on JSON connections, anything on Protobuf ones. They are
 * carried, never parsed. Offsets are 64-bit on the wire and numbers here, exact up to 2^53.
 *
 * Source: `client.proto` of github.com/centrifugal/protocol.
 */
import type { ClientError, Disconnect } from './codes.js';

export type Bytes = Uint8Array;

/** Data of a publication, and whether it is known to be JSON on one line. */
export interface Payload {
  readonly bytes: Bytes;
  readonly isJsonLine: boolean;
}

export interface StreamPosition {
  readonly offset: number;
  readonly epoch: string;
}

export interface ClientInfo {
  user: string;
  client: string;
  connInfo?: Bytes | undefined;
  chanInfo?: Bytes | undefined;
}

export interface Publication {
  /** 0 where the channel keeps no history. */
  offset: number;
  data: Bytes;
  info?: ClientInfo | undefined;
  tags?: Record<string, string> | undefined;
  /** `data` is a patch against the previous publication that this subscriber received. */
  delta?: boolean | undefined;
  /** The real channel, where it differs from the subscribed one (wildcards). */
  channel?: string | undefined;
  /** Only in the first publication of a stream (offset 1): subscribers learn from it that the stream began anew. */
  epoch?: string | undefined;
  /** The application's version of the data, if it gave one. */
  version?: number | undefined;
  /** `data` is known to be JSON on one line. Otherwise JSON encoders look at it themselves. */
  json?: boolean | undefined;
}

/** Publications as they are stored, one after the other (entry.ts): they are encoded without being taken apart. */
export interface Entries {
  readonly bytes: Bytes;
  /** Where they are for many: what they were encoded to before, by the encoder's name for how. */
  encoded?: Map<unknown, Bytes> | undefined;
}

export type Publications = readonly Publication[] | Entries;

/** A tags filter as a client sends it; checked and compiled by `channels/filter.ts`. */
export interface FilterNode {
  op: string;
  key: string;
  cmp: string;
  val: string;
  vals: string[];
  nodes: FilterNode[];
}

// ---- Commands: what a client asks. Absent scalar fields are '' / 0 / false, absent bytes and messages undefined. ----

export interface SubscribeRequest {
  channel: string;
  token: string;
  recover: boolean;
  epoch: string;
  offset: number;
  data?: Bytes | undefined;
  positioned: boolean;
  recoverable: boolean;
  joinLeave: boolean;
  delta: string;
  tf?: FilterNode | undefined;
  flag: number;
  /** 0 stream, 1 map, 2 map_clients, 3 map_users, 4 shared_poll. */
  type: number;
}

export interface ConnectRequest {
  token: string;
  data?: Bytes | undefined;
  subs?: Record<string, SubscribeRequest> | undefined;
  name: string;
  version: string;
  headers?: Record<string, string> | undefined;
  flag: number;
}

export interface PublishRequest {
  channel: string;
  data?: Bytes | undefined;
  type: number;
  key: string;
  removed: boolean;
}

export interface HistoryRequest {
  channel: string;
  limit: number;
  since?: StreamPosition | undefined;
  reverse: boolean;
}

export interface RpcRequest {
  method: string;
  data?: Bytes | undefined;
}

export interface SubRefreshRequest {
  channel: string;
  token: string;
  /** 0 refresh, 1 track, 2 untrack. */
  type: number;
}

/**
 * One command. At most one request is honoured, the first present in the order of the fields below; a command with id 0
 * and no `send` is a pong.
 */
export interface Command {
  id: number;
  connect?: ConnectRequest | undefined;
  ping?: object | undefined;
  subscribe?: SubscribeRequest | undefined;
  unsubscribe?: { channel: string } | undefined;
  publish?: PublishRequest | undefined;
  presence?: { channel: string } | undefined;
  presenceStats?: { channel: string } | undefined;
  history?: HistoryRequest | undefined;
  rpc?: RpcRequest | undefined;
  send?: { data?: Bytes | undefined } | undefined;
  refresh?: { token: string } | undefined;
  subRefresh?: SubRefreshRequest | undefined;
}

// ---- Results ----

export interface SubscribeResult {
  expires?: boolean;
  ttl?: number;
  recoverable?: boolean;
  epoch?: string;
  publications?: Publications;
  recovered?: boolean;
  offset?: number;
  positioned?: boolean;
  data?: Bytes | undefined;
  wasRecovering?: boolean;
  delta?: boolean;
  /** JSON with delta: every `data` of `publications` is written as a JSON string. */
  dataAsString?: boolean;
}

export interface ConnectResult {
  client: string;
  version: string;
  expires?: boolean;
  ttl?: number;
  data?: Bytes | undefined;
  subs?: Record<string, SubscribeResult> | undefined;
  /** Seconds. */
  ping?: number;
  pong?: boolean;
  session?: string;
  node?: string;
  /** Milliseconds since the epoch. */
  time?: number;
}

export interface RefreshResult {
  client: string;
  version: string;
  expires?: boolean;
  ttl?: number;
}

export interface HistoryResult {
  publications: Publications;
  offset: number;
  epoch: string;
}

export interface PresenceResult {
  presence: Record<string, ClientInfo>;
}

export interface PresenceStatsResult {
  numClients: number;
  numUsers: number;
}

/** Exactly one of the fields after `id` is present. */
export interface Reply {
  id: number;
  error?: ClientError;
  connect?: ConnectResult;
  subscribe?: SubscribeResult;
  unsubscribe?: object;
  publish?: object;
  presence?: PresenceResult;
  presenceStats?: PresenceStatsResult;
  history?: HistoryResult;
  rpc?: { data?: Bytes | undefined };
  refresh?: RefreshResult;
  subRefresh?: { expires?: boolean; ttl?: number };
}

// ---- Pushes: what the server says unasked. Exactly one of the fields after `channel` is present. ----

export interface Push {
  channel?: string;
  pub?: Publication;
  join?: { info: ClientInfo };
  leave?: { info: ClientInfo };
  unsubscribe?: { code: number; reason: string };
  message?: { data: Bytes };
  subscribe?: {
    recoverable?: boolean;
    epoch?: string;
    offset?: number;
    positioned?: boolean;
    data?: Bytes | undefined;
  };
  connect?: ConnectResult;
  disconnect?: Disconnect & { reconnect?: boolean };
  refresh?: { expires?: boolean; ttl?: number };
}
