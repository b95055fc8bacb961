/** Requests with nothing set, for the decoders to fill. Every field is listed, so that requests of a kind share a shape. */
import type {
  Command,
  ConnectRequest,
  FilterNode,
  HistoryRequest,
  PublishRequest,
  RpcRequest,
  SubRefreshRequest,
  SubscribeRequest,
} from './messages.js';

export const emptyCommand = (): Command => ({
  id: 0,
  connect: undefined,
  ping: undefined,
  subscribe: undefined,
  unsubscribe: undefined,
  publish: undefined,
  presence: undefined,
  presenceStats: undefined,
  history: undefined,
  rpc: undefined,
  send: undefined,
  refresh: undefined,
  subRefresh: undefined,
});

export const emptyConnect = (): ConnectRequest => ({
  token: '',
  data: undefined,
  subs: undefined,
  name: '',
  version: '',
  headers: undefined,
  flag: 0,
});

export const emptySubscribe = (): SubscribeRequest => ({
  channel: '',
  token: '',
  recover: false,
  epoch: '',
  offset: 0,
  data: undefined,
  positioned: false,
  recoverable: false,
  joinLeave: false,
  delta: '',
  tf: undefined,
  flag: 0,
  type: 0,
});

export const emptyFilter = (): FilterNode => ({ op: '', key: '', cmp: '', val: '', vals: [], nodes: [] });

export const emptyPublish = (): PublishRequest => ({ channel: '', data: undefined, type: 0, key: '', removed: false });

export const emptyHistory = (): HistoryRequest => ({ channel: '', limit: 0, since: undefined, reverse: false });

export const emptyRpc = (): RpcRequest => ({ method: '', data: undefined });

export const emptySubRefresh = (): SubRefreshRequest => ({ channel: '', token: '', type: 0 });

export const emptyChannel = (): { channel: string } => ({ channel: '' });

export const emptyPosition = (): { offset: number; epoch: string } => ({ offset: 0, epoch: '' });
