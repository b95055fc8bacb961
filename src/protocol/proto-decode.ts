/** Protobuf commands: which fields each request has. */
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
import { mapFields, ProtoFields, ProtoReader } from './proto-reader.js';
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

const string = (r: ProtoReader): string => r.string();
const boolean = (r: ProtoReader): boolean => r.boolean();
const int32 = (r: ProtoReader): number => r.int32();
const int64 = (r: ProtoReader): number => r.int64();
const uint32 = (r: ProtoReader): number => r.uint32();
const uint64 = (r: ProtoReader): number => r.uint64();
const bytes = (r: ProtoReader): Bytes => r.bytes();

function append<T>(list: T[], item: T): T[] {
  list.push(item);
  return list;
}

const channelFields = new ProtoFields<{ channel: string }>({ channel: [1, string] });
const channel = (r: ProtoReader, old: { channel: string } | undefined) =>
  r.message(old ?? emptyChannel(), channelFields);

const filterFields: ProtoFields<FilterNode> = new ProtoFields<FilterNode>({
  op: [1, string],
  key: [2, string],
  cmp: [3, string],
  val: [4, string],
  vals: [5, (r, old) => append(old, r.string())],
  nodes: [6, (r, old) => append(old, r.message(emptyFilter(), filterFields))],
});

const subscribeFields = new ProtoFields<SubscribeRequest>({
  channel: [1, string],
  token: [2, string],
  recover: [3, boolean],
  epoch: [6, string],
  offset: [7, uint64],
  data: [8, bytes],
  positioned: [9, boolean],
  recoverable: [10, boolean],
  joinLeave: [11, boolean],
  delta: [12, string],
  tf: [13, (r, old) => r.message(old ?? emptyFilter(), filterFields)],
  flag: [14, int64],
  type: [15, int32],
});

const subsFields = mapFields<SubscribeRequest>((r, old) => r.message(old, subscribeFields));
const headersFields = mapFields<string>(string);

const connectFields = new ProtoFields<ConnectRequest>({
  token: [1, string],
  data: [2, bytes],
  subs: [3, (r, old) => r.mapEntry(old, subsFields, emptySubscribe())],
  name: [4, string],
  version: [5, string],
  headers: [6, (r, old) => r.mapEntry(old, headersFields, '')],
  flag: [7, int64],
});

const publishFields = new ProtoFields<PublishRequest>({
  channel: [1, string],
  data: [2, bytes],
  type: [3, int32],
  key: [4, string],
  removed: [5, boolean],
});

const positionFields = new ProtoFields<{ offset: number; epoch: string }>({ offset: [1, uint64], epoch: [2, string] });

const historyFields = new ProtoFields<HistoryRequest>({
  channel: [1, string],
  limit: [7, int32],
  since: [8, (r, old) => r.message(old ?? emptyPosition(), positionFields)],
  reverse: [9, boolean],
});

const rpcFields = new ProtoFields<RpcRequest>({ data: [1, bytes], method: [2, string] });
const sendFields = new ProtoFields<{ data?: Bytes | undefined }>({ data: [1, bytes] });
const refreshFields = new ProtoFields<{ token: string }>({ token: [1, string] });
const subRefreshFields = new ProtoFields<SubRefreshRequest>({
  channel: [1, string],
  token: [2, string],
  type: [3, int32],
});
const noFields = new ProtoFields<object>({});

const commandFields = new ProtoFields<Command>({
  id: [1, uint32],
  connect: [4, (r, old) => r.message(old ?? emptyConnect(), connectFields)],
  subscribe: [5, (r, old) => r.message(old ?? emptySubscribe(), subscribeFields)],
  unsubscribe: [6, channel],
  publish: [7, (r, old) => r.message(old ?? emptyPublish(), publishFields)],
  presence: [8, channel],
  presenceStats: [9, channel],
  history: [10, (r, old) => r.message(old ?? emptyHistory(), historyFields)],
  ping: [11, (r) => r.message({}, noFields)],
  send: [12, (r, old) => r.message(old ?? { data: undefined }, sendFields)],
  rpc: [13, (r, old) => r.message(old ?? emptyRpc(), rpcFields)],
  refresh: [14, (r, old) => r.message(old ?? { token: '' }, refreshFields)],
  subRefresh: [15, (r, old) => r.message(old ?? emptySubRefresh(), subRefreshFields)],
});

/** The request alone, without a length in front. @throws ProtoError */
export function decodeProtoConnect(request: Bytes): ConnectRequest {
  return new ProtoReader(request).fields(emptyConnect(), connectFields);
}

/** The next command, its length in front. @throws ProtoError */
export function readCommand(reader: ProtoReader): Command {
  return reader.message(emptyCommand(), commandFields);
}
