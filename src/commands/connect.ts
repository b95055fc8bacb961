/**
 * Who is it, may they come in, and what are they subscribed to from the start. In this order:
 *
 *   credentials ──▶ server-side subscriptions ──▶ expiry ──▶ admission ──▶ subscribe ──▶ reply
 *   3501 3500 109   102 3501 3505                 110        3504          any
 */
import { type ConnectToken, TokenError } from '../auth/token.js';
import type { Client, Refusal } from '../clients/client.js';
import { cappedExpiry, secondsLeft } from '../clients/subscribing.js';
import { disconnects, errors } from '../protocol/codes.js';
import type { ConnectRequest, ConnectResult, SubscribeResult } from '../protocol/messages.js';
import { admit } from './admission.js';
import type { CommandDeps, Outcome } from './deps.js';
import { type Credentials, type Granted, serverSubscriptions, subscribeAll } from './server-subscriptions.js';
import { verified } from './verified.js';

export function connect(client: Client, request: ConnectRequest, id: number, deps: CommandDeps): Outcome {
  client.state = 'connecting';
  client.holdPushes();
  if (request.token === '') return enter(client, request, id, deps, withoutToken(client, deps));
  return verified(
    () => deps.access.connectTokens.verifyConnect(request.token),
    (token) => enter(client, request, id, deps, byToken(token, deps)),
  );
}

function byToken(token: ConnectToken | TokenError, { config }: CommandDeps): Credentials | Refusal {
  if (token instanceof TokenError) return token.kind === 'expired' ? errors.tokenExpired : disconnects.invalidToken;
  if (token.user === '' && config.client.disallow_anonymous_connection_tokens) return disconnects.permissionDenied;
  const { user, info, subs } = token;
  return { user, info, subs, expireAt: config.client.insecure ? 0 : token.expireAt, trusted: false };
}

/** As in Centrifugo, a server that lets anonymous clients in does not look at the header. */
function withoutToken({ peer }: Client, { config }: CommandDeps): Credentials | Refusal {
  const { allow_anonymous_connect_without_token, insecure, user_id_http_header } = config.client;
  const nothing = { info: undefined, subs: undefined, expireAt: 0 };
  if (allow_anonymous_connect_without_token || insecure) return { user: '', trusted: false, ...nothing };
  const user = user_id_http_header === '' ? undefined : peer?.headers[user_id_http_header.toLowerCase()];
  return user ? { user, trusted: true, ...nothing } : disconnects.badRequest;
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
  client.expireAt = cappedExpiry(who.expireAt, deps.clock.now());
  const granted = serverSubscriptions(client, who, Object.keys(request.subs ?? {}), deps);
  if ('code' in granted) return client.refuseConnect(id, granted);
  if (client.expireAt > 0 && secondsLeft(client.expireAt, deps.clock.now()) < 0) {
    return client.refuseConnect(id, errors.expired);
  }
  deps.registry.add(client);
  const admission = admit(client, deps);
  if (admission === undefined) return finish(client, request, id, deps, granted);
  return admission.then((refusal) => {
    if (client.ending) client.done();
    else if (refusal !== null) client.refuseConnect(id, refusal);
    else finish(client, request, id, deps, granted);
  });
}

function finish(client: Client, request: ConnectRequest, id: number, deps: CommandDeps, granted: Granted): void {
  const done = (refusal: Refusal | null, subs?: Record<string, SubscribeResult>): void => {
    if (refusal !== null) client.refuseConnect(id, refusal);
    else client.connected({ id, connect: connectResult(client, deps, subs) });
  };
  if (granted.size === 0) done(null);
  else subscribeAll(client, granted, request.subs, done);
}

function connectResult(
  client: Client,
  { config, clock, version, nodeUid }: CommandDeps,
  subs: Record<string, SubscribeResult> | undefined,
): ConnectResult {
  const { ping_interval, pong_timeout, connect_include_server_time } = config.client;
  const result: ConnectResult = { client: client.id, version };
  if (client.expireAt > 0) {
    result.expires = true;
    result.ttl = secondsLeft(client.expireAt, clock.now());
  }
  if (subs !== undefined) result.subs = subs;
  if (ping_interval > 0 && !client.framePingPong) {
    result.ping = Math.floor(ping_interval / 1000);
    result.pong = pong_timeout > 0;
  }
  if (client.session !== '') {
    result.session = client.session;
    result.node = nodeUid;
  }
  if (connect_include_server_time) result.time = clock.now();
  return result;
}
