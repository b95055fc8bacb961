import { grantStream, grantSubscription, type SubscribeGrant, sources } from '../auth/grant.js';
import { decideSubscribe } from '../auth/permissions.js';
import type { ResolvedChannel } from '../auth/rules.js';
import type { SubscribeToken, TokenError } from '../auth/token.js';
import type { Client, Refusal } from '../clients/client.js';
import { streamTo } from '../clients/streamed.js';
import { type Allowed, startSubscription } from '../clients/subscribing.js';
import { Subscription } from '../clients/subscription.js';
import { disconnects, errors } from '../protocol/codes.js';
import type { SubscribeRequest } from '../protocol/messages.js';
import { askSubscribe, openStream } from '../proxy/events.js';
import { type CommandDeps, callerOf, type Outcome } from './deps.js';
import { refusalOf } from './refusal.js';
import { verified } from './verified.js';

type Deps = Pick<CommandDeps, 'access' | 'config' | 'proxies'>;

/** `SubscribeRequest.type`; 1 to 3 are maps. */
const STREAM = 0;
const SHARED_POLL = 4;

const STREAM_ALLOWS: Allowed = { allowed_delta_types: [], allow_tags_filter: false };

export function subscribe(client: Client, request: SubscribeRequest, id: number, deps: Deps): Outcome {
  const refusal = whyNot(client, request, deps);
  if (refusal !== undefined) return client.refuse(id, refusal);
  // Listed from here on, so that a second subscribe meets 105 and an unsubscribe waits for this one.
  const subscription = new Subscription(client, request.channel, false);
  client.subscriptions.add(subscription);
  if (request.token === '') return decide(subscription, request, id, deps, undefined);
  return verified(
    () => deps.access.subscribeTokens.verifySubscribe(request.token),
    (token) => decide(subscription, request, id, deps, token),
  );
}

/** What is asked before the channel's options and the token are. */
function whyNot(client: Client, request: SubscribeRequest, { access, config }: Deps): Refusal | undefined {
  const { channel, delta, type } = request;
  if (channel === '') return disconnects.badRequest;
  const polled = access.rules.resolve(channel)?.options.subscription_type === 'shared_poll';
  if (polled !== (type === SHARED_POLL)) return polled ? errors.badRequest : errors.notAvailable;
  if (delta !== '' && delta !== 'fossil') return disconnects.badRequest;
  if (access.rules.tooLong(channel)) return errors.badRequest;
  if (client.subscriptions.get(channel) !== undefined) return errors.alreadySubscribed;
  const limit = config.client.channel_limit;
  if (limit > 0 && client.subscriptions.size >= limit) return errors.limitExceeded;
}

function decide(
  subscription: Subscription,
  request: SubscribeRequest,
  id: number,
  deps: Deps,
  token: SubscribeToken | TokenError | undefined,
): Outcome {
  const client = subscription.subscriber;
  if (subscription.state === 'gone') return ended(client, id);
  const { access, config } = deps;
  const channel = access.rules.resolve(request.channel);
  const decision = decideSubscribe(channel, callerOf(client, config), request, token);
  if ('error' in decision) return refuse(subscription, id, decision.error);
  if ('disconnect' in decision) return refuse(subscription, id, decision.disconnect);
  // Maps and shared polls end here, after all that could have been wrong with them.
  if (request.type !== STREAM) return refuse(subscription, id, errors.notAvailable);
  if ('grant' in decision) return start(subscription, decision.grant, request, id, channel!.options);
  if (decision.ask === 'subscribe') return ask(subscription, request, id, channel!, deps);
  return askForStream(subscription, request, id, channel!, deps);
}

/** Leave it to the application. */
function ask(
  subscription: Subscription,
  request: SubscribeRequest,
  id: number,
  channel: ResolvedChannel,
  { proxies }: Deps,
): Outcome {
  const client = subscription.subscriber;
  const { subscribe_proxy_enabled, subscribe_proxy_name } = channel.options;
  const proxy = subscribe_proxy_enabled ? proxies.get('subscribe', subscribe_proxy_name) : undefined;
  if (proxy === undefined) return refuse(subscription, id, errors.notAvailable);
  return askSubscribe(proxy, client, request).then((answer) => {
    if (subscription.state === 'gone') return ended(client, id);
    if (!('result' in answer)) return refuse(subscription, id, refusalOf(answer));
    const grant = grantSubscription(channel, sources.subscribeProxy, answer.result);
    start(subscription, grant, request, id, channel.options);
  });
}

/** Have the application supply the publications, too. They are not the channel's: nothing is recovered, patched or filtered. */
function askForStream(
  subscription: Subscription,
  request: SubscribeRequest,
  id: number,
  channel: ResolvedChannel,
  { proxies }: Deps,
): Outcome {
  const client = subscription.subscriber;
  const { subscribe_stream_proxy_name, subscribe_stream_proxy_bidirectional } = channel.options;
  const proxy = proxies.get('subscribe_stream', subscribe_stream_proxy_name);
  const stream = proxy && openStream(proxy, client, request, subscribe_stream_proxy_bidirectional);
  if (stream === undefined) return refuse(subscription, id, errors.notAvailable);
  // From here on it ends with the subscription.
  subscription.stream = stream;
  return stream.answer.then((answer) => {
    if (subscription.state === 'gone') return ended(client, id);
    if (!('result' in answer)) return refuse(subscription, id, refusalOf(answer));
    const grant = grantStream(channel, answer.result);
    start(subscription, grant, request, id, STREAM_ALLOWS, () => stream.start(streamTo(subscription)));
  });
}

function start(
  subscription: Subscription,
  grant: SubscribeGrant,
  request: SubscribeRequest,
  id: number,
  allowed: Allowed,
  then?: () => void,
): void {
  const client = subscription.subscriber;
  startSubscription(subscription, grant, request, allowed, (refusal, result) => {
    if (refusal !== null) return client.refuse(id, refusal);
    client.reply({ id, subscribe: result! });
    then?.();
  });
}

/** Ended while it was decided: by the server's unsubscribe or with the connection. */
function ended(client: Client, id: number): void {
  client.refuse(id, disconnects.serverError);
}

function refuse(subscription: Subscription, id: number, why: Refusal): void {
  subscription.subscriber.forget(subscription);
  subscription.subscriber.refuse(id, why);
  subscription.settle();
}
