import { decideSubscribe, type SubscribeDecision } from '../auth/permissions.js';
import type { SubscribeToken, TokenError } from '../auth/token.js';
import type { Client, Refusal } from '../clients/client.js';
import { startSubscription } from '../clients/subscribing.js';
import { Subscription } from '../clients/subscription.js';
import { disconnects, errors } from '../protocol/codes.js';
import type { SubscribeRequest } from '../protocol/messages.js';
import { type CommandDeps, callerOf, type Outcome } from './deps.js';
import { verified } from './verified.js';

type Deps = Pick<CommandDeps, 'access' | 'config'>;

/** `SubscribeRequest.type`; 1 to 3 are maps. */
const STREAM = 0;
const SHARED_POLL = 4;

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
  { access, config }: Deps,
  token: SubscribeToken | TokenError | undefined,
): Outcome {
  const client = subscription.subscriber;
  // Ended while the token was verified: by the server's unsubscribe or with the connection.
  if (subscription.state === 'gone') return client.refuse(id, disconnects.serverError);
  const channel = access.rules.resolve(request.channel);
  const decision = decideSubscribe(channel, callerOf(client, config), request, token);
  if (!('grant' in decision)) return refuse(subscription, id, refusalOf(decision));
  // Maps and shared polls end here, after all that could have been wrong with them.
  if (request.type !== STREAM) return refuse(subscription, id, errors.notAvailable);
  startSubscription(subscription, decision.grant, request, channel!.options, (refusal, result) => {
    if (refusal !== null) client.refuse(id, refusal);
    else client.reply({ id, subscribe: result! });
  });
}

function refusalOf(decision: Exclude<SubscribeDecision, { grant: unknown }>): Refusal {
  if ('error' in decision) return decision.error;
  // Subscribing is up to a proxy, and there is none.
  return 'disconnect' in decision ? decision.disconnect : errors.notAvailable;
}

function refuse(subscription: Subscription, id: number, why: Refusal): void {
  subscription.subscriber.forget(subscription);
  subscription.subscriber.refuse(id, why);
  subscription.settle();
}
