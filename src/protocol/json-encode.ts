/** JSON replies and pushes. The order of fields is Centrifugo's. */
import { decoded } from './entry.js';
import { writePublications } from './json-entries.js';
import type { JsonWriter } from './json-writer.js';
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

export function writeReply(w: JsonWriter, reply: Reply): void {
  w.open();
  w.numberField('id', reply.id);
  if (reply.error) writeError(w, reply.error);
  else writeResult(w, reply);
  w.close();
}

function writeError(w: JsonWriter, error: NonNullable<Reply['error']>): void {
  w.key('error');
  w.open();
  w.numberField('code', error.code);
  w.textField('message', error.message);
  w.flagField('temporary', error.temporary);
  w.close();
}

/** A result is there even when it has nothing to say: that is how SDKs know what was answered. */
function writeResult(w: JsonWriter, reply: Reply): void {
  if (reply.connect) object(w, 'connect', writeConnectResult, reply.connect);
  else if (reply.subscribe) object(w, 'subscribe', writeSubscribeResult, reply.subscribe);
  else if (reply.unsubscribe) object(w, 'unsubscribe', writeNothing, reply.unsubscribe);
  else if (reply.publish) object(w, 'publish', writeNothing, reply.publish);
  else if (reply.presence) object(w, 'presence', writePresence, reply.presence.presence);
  else if (reply.presenceStats) object(w, 'presence_stats', writePresenceStats, reply.presenceStats);
  else if (reply.history) object(w, 'history', writeHistory, reply.history);
  else if (reply.rpc) object(w, 'rpc', writeData, reply.rpc);
  else if (reply.refresh) object(w, 'refresh', writeRefreshResult, reply.refresh);
  else if (reply.subRefresh) object(w, 'sub_refresh', writeExpiration, reply.subRefresh);
}

/** `{"channel":…,"<kind>":{…}}` */
export function writePush(w: JsonWriter, push: Push): void {
  w.open();
  w.textField('channel', push.channel);
  if (push.pub) object(w, 'pub', writeWholePublication, push.pub);
  else if (push.join) object(w, 'join', writeInfoOf, push.join);
  else if (push.leave) object(w, 'leave', writeInfoOf, push.leave);
  else if (push.unsubscribe) object(w, 'unsubscribe', writeReason, push.unsubscribe);
  else if (push.message) object(w, 'message', writeData, push.message);
  else if (push.subscribe) object(w, 'subscribe', writeSubscribePush, push.subscribe);
  else if (push.connect) object(w, 'connect', writeConnectPush, push.connect);
  else if (push.disconnect) object(w, 'disconnect', writeReason, push.disconnect);
  else if (push.refresh) object(w, 'refresh', writeExpiration, push.refresh);
  w.close();
}

/** A publication's fields after `data`. */
export function writePublicationTail(w: JsonWriter, pub: Publication): void {
  if (pub.info) object(w, 'info', writeInfo, pub.info);
  w.numberField('offset', pub.offset);
  if (pub.tags) writeTags(w, pub.tags);
  w.flagField('delta', pub.delta);
  w.textField('channel', pub.channel);
  w.textField('epoch', pub.epoch);
  w.numberField('version', pub.version);
}

function object<T>(w: JsonWriter, name: string, write: (w: JsonWriter, value: T) => void, value: T): void {
  w.key(name);
  w.open();
  write(w, value);
  w.close();
}

function writeNothing(): void {}

function writeWholePublication(w: JsonWriter, pub: Publication): void {
  w.payloadField('data', pub.data, pub.json);
  writePublicationTail(w, pub);
}

function isEmpty(publications: Publications): boolean {
  return ('bytes' in publications ? publications.bytes : publications).length === 0;
}

function writeQuotedPublication(w: JsonWriter, pub: Publication): void {
  w.key('data');
  w.quoted(pub.data);
  writePublicationTail(w, pub);
}

function writeTags(w: JsonWriter, tags: Readonly<Record<string, string>>): void {
  const names = Object.keys(tags);
  if (names.length === 0) return;
  w.key('tags');
  w.open();
  for (const name of names) {
    w.textKey(name);
    w.text(tags[name]!);
  }
  w.close();
}

function writeInfo(w: JsonWriter, info: ClientInfo): void {
  w.key('user');
  w.text(info.user);
  w.key('client');
  w.text(info.client);
  w.payloadField('conn_info', info.connInfo);
  w.payloadField('chan_info', info.chanInfo);
}

function writeInfoOf(w: JsonWriter, event: { info: ClientInfo }): void {
  object(w, 'info', writeInfo, event.info);
}

function writeData(w: JsonWriter, message: { data?: Bytes | undefined }): void {
  w.payloadField('data', message.data);
}

function writeExpiration(w: JsonWriter, result: { expires?: boolean; ttl?: number }): void {
  w.flagField('expires', result.expires);
  w.numberField('ttl', result.ttl);
}

function writeReason(w: JsonWriter, end: { code: number; reason: string; reconnect?: boolean }): void {
  w.numberField('code', end.code);
  w.textField('reason', end.reason);
  w.flagField('reconnect', end.reconnect);
}

function writeConnectResult(w: JsonWriter, result: ConnectResult): void {
  w.textField('client', result.client);
  w.textField('version', result.version);
  writeExpiration(w, result);
  w.payloadField('data', result.data);
  writeConnectSubs(w, result.subs);
  writeConnectEnd(w, result);
}

/** The same fields as in the reply, in another order. */
function writeConnectPush(w: JsonWriter, result: ConnectResult): void {
  w.textField('client', result.client);
  w.textField('version', result.version);
  w.payloadField('data', result.data);
  writeConnectSubs(w, result.subs);
  writeExpiration(w, result);
  writeConnectEnd(w, result);
}

function writeConnectSubs(w: JsonWriter, subs: Readonly<Record<string, SubscribeResult>> | undefined): void {
  const channels = subs ? Object.keys(subs) : [];
  if (channels.length === 0) return;
  w.key('subs');
  w.open();
  for (const channel of channels) {
    w.textKey(channel);
    w.open();
    writeSubscribeResult(w, subs![channel]!);
    w.close();
  }
  w.close();
}

function writeConnectEnd(w: JsonWriter, result: ConnectResult): void {
  w.numberField('ping', result.ping);
  w.flagField('pong', result.pong);
  w.textField('session', result.session);
  w.textField('node', result.node);
  w.numberField('time', result.time);
}

function writeSubscribeResult(w: JsonWriter, result: SubscribeResult): void {
  writeExpiration(w, result);
  w.flagField('recoverable', result.recoverable);
  w.textField('epoch', result.epoch);
  if (result.publications && !isEmpty(result.publications)) {
    if (result.dataAsString) writePublications(w, decoded(result.publications), writeQuotedPublication);
    else writePublications(w, result.publications, writeWholePublication);
  }
  w.flagField('recovered', result.recovered);
  w.numberField('offset', result.offset);
  w.flagField('positioned', result.positioned);
  w.payloadField('data', result.data);
  w.flagField('was_recovering', result.wasRecovering);
  w.flagField('delta', result.delta);
}

function writeSubscribePush(w: JsonWriter, sub: NonNullable<Push['subscribe']>): void {
  w.flagField('recoverable', sub.recoverable);
  w.textField('epoch', sub.epoch);
  w.numberField('offset', sub.offset);
  w.flagField('positioned', sub.positioned);
  w.payloadField('data', sub.data);
}

function writeRefreshResult(w: JsonWriter, result: RefreshResult): void {
  w.textField('client', result.client);
  w.textField('version', result.version);
  writeExpiration(w, result);
}

function writePresence(w: JsonWriter, presence: Readonly<Record<string, ClientInfo>>): void {
  w.key('presence');
  w.open();
  for (const client of Object.keys(presence)) {
    w.textKey(client);
    w.open();
    writeInfo(w, presence[client]!);
    w.close();
  }
  w.close();
}

function writePresenceStats(w: JsonWriter, stats: { numClients: number; numUsers: number }): void {
  w.key('num_clients');
  w.digits(stats.numClients);
  w.key('num_users');
  w.digits(stats.numUsers);
}

function writeHistory(w: JsonWriter, history: HistoryResult): void {
  writePublications(w, history.publications, writeWholePublication);
  w.key('epoch');
  w.text(history.epoch);
  w.key('offset');
  w.digits(history.offset);
}
