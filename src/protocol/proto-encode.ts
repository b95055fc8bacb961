/** Protobuf replies and pushes, fields in the order of their numbers. */

import { asBuffer, uvarintBytes } from '../lib/bytes.js';
import { writeClientInfo } from './client-info.js';
import type { ClientError } from './codes.js';
import { decodeEntry, ENTRY_HEADER_BYTES, entryEnd, entryOffset, NOT_ONLY_DATA, onlyData } from './entry.js';
import type {
  Bytes,
  ClientInfo,
  ConnectResult,
  HistoryResult,
  Publication,
  Publications,
  Push,
  RefreshResult,
  Reply,
  SubscribeResult,
} from './messages.js';
import type { ProtoWriter } from './proto-writer.js';

export const REPLY_PUSH_FIELD = 4;
export const PUSH_PUB_FIELD = 4;

export function writeReply(w: ProtoWriter, reply: Reply): void {
  w.numberField(1, reply.id);
  if (reply.error) w.message(2, writeError, reply.error);
  else if (reply.connect) w.message(5, writeConnectResult, reply.connect);
  else if (reply.subscribe) w.message(6, writeSubscribeResult, reply.subscribe);
  else if (reply.unsubscribe) w.message(7, writeNothing, reply.unsubscribe);
  else if (reply.publish) w.message(8, writeNothing, reply.publish);
  else if (reply.presence) w.message(9, writePresence, reply.presence.presence);
  else if (reply.presenceStats) w.message(10, writePresenceStats, reply.presenceStats);
  else if (reply.history) w.message(11, writeHistory, reply.history);
  else if (reply.rpc) w.message(13, writeData, reply.rpc);
  else if (reply.refresh) w.message(14, writeRefreshResult, reply.refresh);
  else if (reply.subRefresh) w.message(15, writeExpiration, reply.subRefresh);
}

export function writePush(w: ProtoWriter, push: Push): void {
  writePushChannel(w, push.channel);
  if (push.pub) w.message(PUSH_PUB_FIELD, writePublication, push.pub);
  else if (push.join) w.message(5, writeInfoOf, push.join);
  else if (push.leave) w.message(6, writeInfoOf, push.leave);
  else if (push.unsubscribe) w.message(7, writeUnsubscribe, push.unsubscribe);
  else if (push.message) w.message(8, writeData, push.message);
  else if (push.subscribe) w.message(9, writeSubscribePush, push.subscribe);
  else if (push.connect) w.message(10, writeConnectPush, push.connect);
  else if (push.disconnect) w.message(11, writeDisconnect, push.disconnect);
  else if (push.refresh) w.message(12, writeExpiration, push.refresh);
}

export function writePushChannel(w: ProtoWriter, channel: string | undefined): void {
  w.textField(2, channel);
}

export function writePublication(w: ProtoWriter, pub: Publication): void {
  w.bytesField(4, pub.data);
  writePublicationTail(w, pub);
}

function writePublications(w: ProtoWriter, field: number, publications: Publications): void {
  if ('bytes' in publications) w.once(field, publications.encoded, () => writeEntries(w, field, publications.bytes));
  else for (const pub of publications) w.message(field, writePublication, pub);
}

function writeEntries(w: ProtoWriter, field: number, bytes: Bytes): void {
  const entries = asBuffer(bytes);
  for (let at = 0, end = 0; at < entries.length; at = end) {
    end = entryEnd(entries, at);
    if (onlyData(entries, at, end) === NOT_ONLY_DATA) {
      w.message(field, writePublication, decodeEntry(entries.subarray(at, end)));
      continue;
    }
    const data = at + ENTRY_HEADER_BYTES;
    const offset = entryOffset(entries, at);
    w.header(field, end - data + (offset > 0 ? 1 + uvarintBytes(offset) : 0));
    w.range(entries, data, end);
    w.numberField(6, offset);
  }
}

/** A publication's fields after `data`. */
export function writePublicationTail(w: ProtoWriter, pub: Publication): void {
  if (pub.info) w.message(5, writeClientInfo, pub.info);
  w.numberField(6, pub.offset);
  if (pub.tags) w.textMap(7, pub.tags);
  w.flagField(8, pub.delta);
  w.textField(10, pub.channel);
  w.textField(14, pub.epoch);
  w.numberField(16, pub.version);
}

function writeNothing(): void {}

function writeError(w: ProtoWriter, error: ClientError): void {
  w.numberField(1, error.code);
  w.textField(2, error.message);
  w.flagField(3, error.temporary);
}

function writeInfoOf(w: ProtoWriter, event: { info: ClientInfo }): void {
  w.message(1, writeClientInfo, event.info);
}

function writeData(w: ProtoWriter, message: { data?: Bytes | undefined }): void {
  w.bytesField(1, message.data);
}

function writeExpiration(w: ProtoWriter, result: { expires?: boolean; ttl?: number }): void {
  w.flagField(1, result.expires);
  w.numberField(2, result.ttl);
}

function writeUnsubscribe(w: ProtoWriter, end: { code: number; reason: string }): void {
  w.numberField(2, end.code);
  w.textField(3, end.reason);
}

function writeDisconnect(w: ProtoWriter, end: NonNullable<Push['disconnect']>): void {
  w.numberField(1, end.code);
  w.textField(2, end.reason);
  w.flagField(3, end.reconnect);
}

function writeConnectResult(w: ProtoWriter, result: ConnectResult): void {
  w.textField(1, result.client);
  w.textField(2, result.version);
  w.flagField(3, result.expires);
  w.numberField(4, result.ttl);
  w.bytesField(5, result.data);
  if (result.subs) w.messageMap(6, result.subs, writeSubscribeResult);
  writeConnectEnd(w, result);
}

/** The same fields as in the reply, under other numbers. */
function writeConnectPush(w: ProtoWriter, result: ConnectResult): void {
  w.textField(1, result.client);
  w.textField(2, result.version);
  w.bytesField(3, result.data);
  if (result.subs) w.messageMap(4, result.subs, writeSubscribeResult);
  w.flagField(5, result.expires);
  w.numberField(6, result.ttl);
  writeConnectEnd(w, result);
}

function writeConnectEnd(w: ProtoWriter, result: ConnectResult): void {
  w.numberField(7, result.ping);
  w.flagField(8, result.pong);
  w.textField(9, result.session);
  w.textField(10, result.node);
  w.numberField(11, result.time);
}

function writeSubscribeResult(w: ProtoWriter, result: SubscribeResult): void {
  w.flagField(1, result.expires);
  w.numberField(2, result.ttl);
  w.flagField(3, result.recoverable);
  w.textField(6, result.epoch);
  if (result.publications) writePublications(w, 7, result.publications);
  w.flagField(8, result.recovered);
  w.numberField(9, result.offset);
  w.flagField(10, result.positioned);
  w.bytesField(11, result.data);
  w.flagField(12, result.wasRecovering);
  w.flagField(13, result.delta);
}

function writeSubscribePush(w: ProtoWriter, sub: NonNullable<Push['subscribe']>): void {
  w.flagField(1, sub.recoverable);
  w.textField(4, sub.epoch);
  w.numberField(5, sub.offset);
  w.flagField(6, sub.positioned);
  w.bytesField(7, sub.data);
}

function writeRefreshResult(w: ProtoWriter, result: RefreshResult): void {
  w.textField(1, result.client);
  w.textField(2, result.version);
  w.flagField(3, result.expires);
  w.numberField(4, result.ttl);
}

function writePresence(w: ProtoWriter, presence: Readonly<Record<string, ClientInfo>>): void {
  w.messageMap(1, presence, writeClientInfo);
}

function writePresenceStats(w: ProtoWriter, stats: { numClients: number; numUsers: number }): void {
  w.numberField(1, stats.numClients);
  w.numberField(2, stats.numUsers);
}

function writeHistory(w: ProtoWriter, history: HistoryResult): void {
  writePublications(w, 1, history.publications);
  w.textField(2, history.epoch);
  w.numberField(3, history.offset);
}
