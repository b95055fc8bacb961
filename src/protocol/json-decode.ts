/** JSON commands: which fields each request has. */
import { channelNames } from '../lib/text-cache.js';
import { JsonFields } from './json-fields.js';
import { type JsonReader, readObject } from './json-reader.js';
import type {
  Bytes,
  Command,
  ConnectRequest,
  FilterNode,
  HistoryRequest,
  PublishRequest,
  RpcRequest,
  SubRefreshRequest,
  SubscribeRequest,
} from './messages.js';
import {
  emptyChannel,
  emptyCommand,
  emptyConnect,
  emptyFilter,
  emptyHistory,
  emptyPosition,
  emptyPublish,
  emptyRpc,
  emptySubRefresh,
  emptySubscribe,
} from './requests.js';

const string = (r: JsonReader): string => r.string();
const channelName = (r: JsonReader): string => r.cachedString(channelNames);
const boolean = (r: JsonReader): boolean => r.boolean();
const int32 = (r: JsonReader): number => r.int32();
const int64 = (r: JsonReader): number => r.int64();
const uint32 = (r: JsonReader): number => r.uint32();
const uint64 = (r: JsonReader): number => r.uint64();
const raw = (r: JsonReader): Bytes => r.raw();

const channelFields = new JsonFields<{ channel: string }>({ channel: string });
const channel = (r: JsonReader) => r.object(emptyChannel(), channelFields);

const filterFields: JsonFields<FilterNode> = new JsonFields<FilterNode>({
  op: string,
  key: string,
  cmp: string,
  val: string,
  vals: (r) => r.array(string) ?? [],
  nodes: (r) => r.array((item) => item.object(emptyFilter(), filterFields) ?? emptyFilter()) ?? [],
});

const subscribeFields = new JsonFields<SubscribeRequest>({
  channel: channelName,
  token: string,
  recover: boolean,
  epoch: string,
  offset: uint64,
  data: raw,
  positioned: boolean,
  recoverable: boolean,
  joinLeave: boolean,
  delta: string,
  tf: (r) => r.object(emptyFilter(), filterFields),
  flag: int64,
  type: int32,
});

const connectFields = new JsonFields<ConnectRequest>({
  token: string,
  data: raw,
  subs: (r) => r.record((value) => value.object(emptySubscribe(), subscribeFields) ?? emptySubscribe()),
  name: string,
  version: string,
  headers: (r) => r.record(string),
  flag: int64,
});

const publishFields = new JsonFields<PublishRequest>({
  channel: string,
  data: raw,
  type: int32,
  key: string,
  removed: boolean,
});

const positionFields = new JsonFields<{ offset: number; epoch: string }>({ offset: uint64, epoch: string });

const historyFields = new JsonFields<HistoryRequest>({
  channel: string,
  limit: int32,
  since: (r) => r.object(emptyPosition(), positionFields),
  reverse: boolean,
});

const rpcFields = new JsonFields<RpcRequest>({ data: raw, method: string });
const sendFields = new JsonFields<{ data?: Bytes | undefined }>({ data: raw });
const refreshFields = new JsonFields<{ token: string }>({ token: string });
const subRefreshFields = new JsonFields<SubRefreshRequest>({ channel: string, token: string, type: int32 });
const noFields = new JsonFields<object>({});

const commandFields = new JsonFields<Command>({
  id: uint32,
  connect: (r) => r.object(emptyConnect(), connectFields),
  ping: (r) => r.object({}, noFields),
  subscribe: (r) => r.object(emptySubscribe(), subscribeFields),
  unsubscribe: channel,
  publish: (r) => r.object(emptyPublish(), publishFields),
  presence: channel,
  presenceStats: channel,
  history: (r) => r.object(emptyHistory(), historyFields),
  rpc: (r) => r.object(emptyRpc(), rpcFields),
  send: (r) => r.object({ data: undefined }, sendFields),
  refresh: (r) => r.object({ token: '' }, refreshFields),
  subRefresh: (r) => r.object(emptySubRefresh(), subRefreshFields),
});

/** The request alone, without a command around it; the document `null` asks for nothing. @throws JsonError */
export function decodeJsonConnect(request: Bytes): ConnectRequest {
  return readObject(request, emptyConnect(), connectFields);
}

/** What stands in [start, end). @throws JsonError */
export function decodeJsonCommand(bytes: Bytes, start: number, end: number): Command {
  return readObject(bytes, emptyCommand(), commandFields, start, end);
}
