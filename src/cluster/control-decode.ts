import type { DisconnectOp, RefreshOp, SubscribeOp, UnsubscribeOp } from '../clients/control-ops.js';
import type { Bytes } from '../protocol/messages.js';
import { ProtoFields, ProtoReader } from '../protocol/proto-reader.js';
import type { NodeReport, Received, SurveyRequest, SurveyResponse } from './control-messages.js';

/** Unknown fields are skipped, metrics among them. Payloads are views into `bytes`. @throws ProtoError if it is malformed. */
export function decodeControl(bytes: Bytes): Received {
  const command = new ProtoReader(bytes).fields<Command>({ uid: '' }, commandFields);
  return { uid: command.uid, message: messageOf(command) };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type OnWire<Op> = Writable<Op> & {
  /** There is a label filter. */
  labelled: boolean;
};
type Coded<Op> = OnWire<Op> & { code: number; reason: string };
type SubscribeFields = OnWire<SubscribeOp>;
type UnsubscribeFields = Coded<Omit<UnsubscribeOp, 'unsubscribe'>>;
type DisconnectFields = Coded<Omit<DisconnectOp, 'disconnect' | 'whitelist'>> & { whitelist: string[] };
type RefreshFields = OnWire<RefreshOp>;

interface Command {
  uid: string;
  node?: NodeReport;
  unsubscribe?: UnsubscribeFields;
  disconnect?: DisconnectFields;
  shutdown?: object;
  request?: SurveyRequest;
  response?: SurveyResponse;
  subscribe?: SubscribeFields;
  refresh?: RefreshFields;
}

/** In the order in which Centrifugo looks for the command that there is. */
function messageOf(command: Command): Received['message'] {
  const { node, shutdown, unsubscribe, subscribe, disconnect, request, response, refresh } = command;
  if (node !== undefined) return { kind: 'node', node };
  if (shutdown !== undefined) return { kind: 'shutdown' };
  if (unsubscribe !== undefined) {
    const { labelled, code, reason, ...op } = unsubscribe;
    return labelled ? 'label filter' : { kind: 'unsubscribe', op: { ...op, unsubscribe: { code, reason } } };
  }
  if (subscribe !== undefined) {
    const { labelled, ...op } = subscribe;
    return labelled ? 'label filter' : { kind: 'subscribe', op };
  }
  if (disconnect !== undefined) {
    const { labelled, code, reason, ...op } = disconnect;
    return labelled ? 'label filter' : { kind: 'disconnect', op: { ...op, disconnect: { code, reason } } };
  }
  if (request !== undefined) return { kind: 'survey_request', request };
  if (response !== undefined) return { kind: 'survey_response', response };
  if (refresh !== undefined) {
    const { labelled, ...op } = refresh;
    return labelled ? 'label filter' : { kind: 'refresh', op };
  }
  return 'unknown';
}

const string = (r: ProtoReader): string => r.string();
const boolean = (r: ProtoReader): boolean => r.boolean();
const uint32 = (r: ProtoReader): number => r.uint32();
const uint64 = (r: ProtoReader): number => r.uint64();
const int64 = (r: ProtoReader): number => r.int64();
const bytes = (r: ProtoReader): Bytes => r.bytes();
const base64 = (r: ProtoReader): string => r.bytes().toString('base64');

function append<T>(list: T[], item: T): T[] {
  list.push(item);
  return list;
}

const present = (r: ProtoReader): true => {
  r.bytes();
  return true;
};

const nodeFields = new ProtoFields<NodeReport>({
  uid: [1, string],
  name: [2, string],
  version: [3, string],
  numClients: [4, uint32],
  numUsers: [5, uint32],
  numChannels: [6, uint32],
  uptimeSeconds: [7, uint32],
  data: [9, bytes],
  numSubs: [10, uint32],
});

const positionFields = new ProtoFields<{ offset: number; epoch: string }>({ offset: [1, uint64], epoch: [2, string] });

const subscribeFields = new ProtoFields<SubscribeFields>({
  user: [1, string],
  channel: [2, string],
  presence: [3, boolean],
  joinLeave: [4, boolean],
  expireAt: [5, int64],
  forcePositioning: [6, boolean],
  forceRecovery: [7, boolean],
  info: [8, base64],
  client: [9, string],
  data: [10, base64],
  recoverSince: [11, (r, old) => r.message({ offset: 0, epoch: '', ...old }, positionFields)],
  session: [12, string],
  forcePushJoinLeave: [13, boolean],
  labelled: [15, present],
  allUsers: [16, boolean],
});

const unsubscribeFields = new ProtoFields<UnsubscribeFields>({
  channel: [1, string],
  user: [2, string],
  client: [3, string],
  session: [4, string],
  code: [5, uint32],
  reason: [6, string],
  labelled: [7, present],
  allUsers: [8, boolean],
});

const disconnectFields = new ProtoFields<DisconnectFields>({
  user: [1, string],
  whitelist: [2, (r, old) => append(old, r.string())],
  code: [3, uint32],
  reason: [4, string],
  client: [6, string],
  session: [7, string],
  labelled: [8, present],
  allUsers: [9, boolean],
});

const refreshFields = new ProtoFields<RefreshFields>({
  user: [1, string],
  client: [2, string],
  expired: [3, boolean],
  expireAt: [4, int64],
  info: [5, base64],
  session: [6, string],
  labelled: [7, present],
  allUsers: [8, boolean],
});

const requestFields = new ProtoFields<SurveyRequest>({ id: [1, uint64], op: [2, string], data: [3, bytes] });
const responseFields = new ProtoFields<SurveyResponse>({ id: [1, uint64], code: [2, uint32], data: [3, bytes] });
const noFields = new ProtoFields<object>({});

const commandFields = new ProtoFields<Command>({
  uid: [1, string],
  node: [4, (r, old) => r.message(old ?? emptyNode(), nodeFields)],
  unsubscribe: [5, (r, old) => r.message(old ?? emptyUnsubscribe(), unsubscribeFields)],
  disconnect: [6, (r, old) => r.message(old ?? emptyDisconnect(), disconnectFields)],
  shutdown: [7, (r, old) => r.message(old ?? {}, noFields)],
  request: [8, (r, old) => r.message(old ?? { id: 0, op: '', data: NO_BYTES }, requestFields)],
  response: [9, (r, old) => r.message(old ?? { id: 0, code: 0, data: NO_BYTES }, responseFields)],
  subscribe: [10, (r, old) => r.message(old ?? emptySubscribe(), subscribeFields)],
  refresh: [12, (r, old) => r.message(old ?? emptyRefresh(), refreshFields)],
});

const NO_BYTES = Buffer.alloc(0);
const target = () => ({ user: '', client: '', session: '', allUsers: false, labelled: false });
const emptyUnsubscribe = () => ({ ...target(), channel: '', code: 0, reason: '' });
const emptyDisconnect = () => ({ ...target(), whitelist: [], code: 0, reason: '' });
const emptyRefresh = () => ({ ...target(), expired: false, expireAt: 0, info: '' });
const emptySubscribe = (): SubscribeFields => ({
  ...target(),
  channel: '',
  info: '',
  data: '',
  expireAt: 0,
  presence: false,
  joinLeave: false,
  forcePushJoinLeave: false,
  forceRecovery: false,
  forcePositioning: false,
});
const emptyNode = (): NodeReport => ({
  uid: '',
  name: '',
  version: '',
  numClients: 0,
  numUsers: 0,
  numChannels: 0,
  numSubs: 0,
  uptimeSeconds: 0,
  data: NO_BYTES,
});
