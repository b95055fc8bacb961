/**
 * Who is it, may they come in, and what are they subscribed to from the start. In this order:
 *
 *   credentials ──▶ server-side subscriptions ──▶ expiry ──▶ admission ──▶ subscribe ──▶ reply
 *   3501 3500 109   102 3501 3505                 110        3504          any
 *
 * Credentials are a token's; without a token what the application says, if it is asked; else those of somebody anonymous,
 * or of a request header. Unidirectional clients are told the same by a push: see clients/unidirectional.ts.
 */
import { type ConnectToken, TokenError } from '../auth/token.js';
import type { Client, Refusal } from '../clients/client.js';
import { cappedExpiry, secondsLeft } from '../clients/subscribing.js';
import { disconnects, errors } from '../protocol/codes.js';
import type { Bytes, ConnectRequest, ConnectResult, SubscribeResult } from '../protocol/messages.js';
import type { Answer } from '../proxy/answer.js';
import { askConnect, type ConnectProxyResult } from '../proxy/events.js';
import { admit } from './admission.js';
import type { CommandDeps, Outcome } from './deps.js';
import { refusalOf } from './refusal.js';
import { type Credentials, type Granted, serverSubscriptions, subscribeAll } from './server-subscriptions.js';
import { verified } from './verified.js';

const NOTHING: readonly string[] = [];

export function connect(client: Client, request: ConnectRequest, id: number, deps: CommandDeps): Outcome {
  client.state = 'connecting';
  client.holdPushes();
  client.headers = deps.proxies.headersOf(client.peer!.headers, request.headers, client.transport === 'uni_grpc');
  const proxy = deps.proxies.get('connect');
  if (request.token === '') {
    if (proxy === undefined) return enter(client, request, id, deps, withoutToken(client, deps));
    return askConnect(proxy, client, request).then((answer) =>
      enter(client, request, id, deps, byApplication(client, answer, deps)),
    );
  }
  return verified(
    () => deps.access.connectTokens.verifyConnect(request.token),
    (token) => enter(client, request, id, deps, byToken(token, deps)),
  );
}

function byToken(token: ConnectToken | TokenError, { config }: CommandDeps): Credentials | Refusal {
  if (token instanceof TokenError) return token.kind === 'expired' ? errors.tokenExpired : disconnects.invalidToken;
  if (token.user === '' && config.client.disallow_anonymous_connection_tokens) return disconnects.permissionDenied;
  const { user, info, subs, meta } = token;
  return { by: 'token', user, info, subs, meta, expireAt: config.client.insecure ? 0 : token.expireAt };
}

function byApplication(client: Client, answer: Answer<ConnectProxyResult>, deps: CommandDeps): Credentials | Refusal {
  if (!('result' in answer)) return refusalOf(answer);
  const { result } = answer;
  if (result === undefined) return withoutToken(client, deps);
  const { user, info, data, meta, expireAt, channels } = result;
  const subs = new Map([...channels.map((name) => [name, {}] as const), ...Object.entries(result.subs)]);
  return { by: 'application', user, info, data, meta, subs, expireAt };
}

/** As in Centrifugo, a server that lets anonymous clients in does not look at the header. */
function withoutToken({ peer }: Client, { config }: CommandDeps): Credentials | Refusal {
  const { allow_anonymous_connect_without_token, insecure, user_id_http_header } = config.client;
  if (allow_anonymous_connect_without_token || insecure) return { by: 'nothing', user: '', expireAt: 0 };
  // Whoever sets the header stands in front of HTTP; the metadata of a call is the client's own.
  const headers = peer === null || peer.transport === 'uni_grpc' ? {} : peer.headers;
  const user = user_id_http_header === '' ? undefined : headers[user_id_http_header.toLowerCase()];
  return user ? { by: 'header', user, expireAt: 0 } : disconnects.badRequest;
}

function enter(
  client: Client,
  request: ConnectRequest,
  id: number,
  deps: CommandDeps,
  who: Credentials | Refusal,
): Outcome {
  if (client.ending) return client.done();
  if ('code' in who) return client.refuseConnect(id, who);
  client.user = who.user;
  client.connInfo = who.info;
  if (deps.proxies.usesMeta) client.meta = who.meta;
  client.headers = deps.proxies.kept(client.headers);
  client.expireAt = cappedExpiry(who.expireAt, deps.clock.now());
  const granted = serverSubscriptions(
    client,
    who,
    request.subs === undefined ? NOTHING : Object.keys(request.subs),
    deps,
  );
  if ('code' in granted) return client.refuseConnect(id, granted);
  if (client.expireAt > 0 && secondsLeft(client.expireAt, deps.clock.now()) < 0) {
    return client.refuseConnect(id, errors.expired);
  }
  deps.registry.add(client);
  const admission = admit(client, deps);
  if (admission === undefined) return finish(client, request, id, deps, granted, who.data);
  return admission.then((refusal) => {
    if (client.ending) client.done();
    else if (refusal !== null) client.refuseConnect(id, refusal);
    else finish(client, request, id, deps, granted, who.data);
  });
}

function finish(
  client: Client,
  request: ConnectRequest,
  id: number,
  deps: CommandDeps,
  granted: Granted,
  data: Bytes | undefined,
): void {
  const answer = (subs?: Record<string, SubscribeResult>): void =>
    client.connected(id, connectResult(client, deps, subs, data));
  if (granted.size === 0) answer();
  else
    subscribeAll(client, granted, request.subs, (refusal, subs) => {
      if (refusal !== null) client.refuseConnect(id, refusal);
      else answer(subs);
    });
}

/** What has nothing to say is there too: one shape for all. It is left out when the result is written. */
function connectResult(
  client: Client,
  { config, clock, version, nodeUid, proxies }: CommandDeps,
  subs: Record<string, SubscribeResult> | undefined,
  data: Bytes | undefined,
): ConnectResult {
  const { ping_interval, pong_timeout, connect_include_server_time } = config.client;
  // Clients need not know when the server renews the connection itself.
  const expires = client.expireAt > 0 && proxies.get('refresh') === undefined;
  const pings = ping_interval > 0 && !client.framePingPong;
  return {
    client: client.id,
    version,
    expires,
    ttl: expires ? secondsLeft(client.expireAt, clock.now()) : 0,
    data,
    subs,
    ping: pings ? Math.floor(ping_interval / 1000) : 0,
    pong: pings && pong_timeout > 0 && !client.unidirectional,
    session: client.session,
    node: client.session === '' || client.unidirectional ? '' : nodeUid,
    time: connect_include_server_time ? clock.now() : 0,
  };
}
