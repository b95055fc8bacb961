import { sources } from '../auth/grant.js';
import type { DisconnectOp, RefreshOp, SubscribeOp, UnsubscribeOp } from '../clients/control-ops.js';
import type { StreamPosition } from '../protocol/messages.js';
import { ProtoWriter } from '../protocol/proto-writer.js';
import type { ControlMessage, NodeReport, SurveyRequest, SurveyResponse } from './control-messages.js';

const writer = new ProtoWriter(512);

export function encodeControl(uid: string, message: ControlMessage): Buffer {
  const w = writer.reset();
  w.textField(1, uid);
  switch (message.kind) {
    case 'node':
      w.message(4, writeNode, message.node);
      break;
    case 'unsubscribe':
      w.message(5, writeUnsubscribe, message.op);
      break;
    case 'disconnect':
      w.message(6, writeDisconnect, message.op);
      break;
    case 'shutdown':
      w.message(7, () => {}, undefined);
      break;
    case 'survey_request':
      w.message(8, writeSurveyRequest, message.request);
      break;
    case 'survey_response':
      w.message(9, writeSurveyResponse, message.response);
      break;
    case 'subscribe':
      w.message(10, writeSubscribe, message.op);
      break;
    case 'refresh':
      w.message(12, writeRefresh, message.op);
      break;
  }
  return w.copy();
}

function writeNode(w: ProtoWriter, node: NodeReport): void {
  w.textField(1, node.uid);
  w.textField(2, node.name);
  w.textField(3, node.version);
  w.numberField(4, node.numClients);
  w.numberField(5, node.numUsers);
  w.numberField(6, node.numChannels);
  w.numberField(7, node.uptimeSeconds);
  w.bytesField(9, node.data);
  w.numberField(10, node.numSubs);
}

function writeSubscribe(w: ProtoWriter, op: SubscribeOp): void {
  w.textField(1, op.user);
  w.textField(2, op.channel);
  w.flagField(3, op.presence);
  w.flagField(4, op.joinLeave);
  w.int64Field(5, op.expireAt);
  w.flagField(6, op.forcePositioning);
  w.flagField(7, op.forceRecovery);
  w.bytesField(8, fromBase64(op.info));
  w.textField(9, op.client);
  w.bytesField(10, fromBase64(op.data));
  if (op.recoverSince !== undefined) w.message(11, writePosition, op.recoverSince);
  w.textField(12, op.session);
  w.flagField(13, op.forcePushJoinLeave);
  w.numberField(14, sources.serverApi);
  w.flagField(16, op.allUsers);
}

function writePosition(w: ProtoWriter, { offset, epoch }: StreamPosition): void {
  w.numberField(1, offset);
  w.textField(2, epoch);
}

function writeUnsubscribe(w: ProtoWriter, op: UnsubscribeOp): void {
  w.textField(1, op.channel);
  w.textField(2, op.user);
  w.textField(3, op.client);
  w.textField(4, op.session);
  w.numberField(5, op.unsubscribe.code);
  w.textField(6, op.unsubscribe.reason);
  w.flagField(8, op.allUsers);
}

function writeDisconnect(w: ProtoWriter, op: DisconnectOp): void {
  w.textField(1, op.user);
  for (const client of op.whitelist) w.textField(2, client);
  w.numberField(3, op.disconnect.code);
  w.textField(4, op.disconnect.reason);
  w.textField(6, op.client);
  w.textField(7, op.session);
  w.flagField(9, op.allUsers);
}

function writeRefresh(w: ProtoWriter, op: RefreshOp): void {
  w.textField(1, op.user);
  w.textField(2, op.client);
  w.flagField(3, op.expired);
  w.int64Field(4, op.expireAt);
  w.bytesField(5, fromBase64(op.info));
  w.textField(6, op.session);
  w.flagField(8, op.allUsers);
}

function writeSurveyRequest(w: ProtoWriter, { id, op, data }: SurveyRequest): void {
  w.numberField(1, id);
  w.textField(2, op);
  w.bytesField(3, data);
}

function writeSurveyResponse(w: ProtoWriter, { id, code, data }: SurveyResponse): void {
  w.numberField(1, id);
  w.numberField(2, code);
  w.bytesField(3, data);
}

function fromBase64(text: string): Buffer {
  return Buffer.from(text, 'base64');
}
