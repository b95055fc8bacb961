import { type SubscribeToken, TokenError } from '../auth/token.js';
import type { Client, Refusal } from '../clients/client.js';
import { cappedExpiry, secondsLeft } from '../clients/subscribing.js';
import { disconnects, errors } from '../protocol/codes.js';
import type { SubRefreshRequest } from '../protocol/messages.js';
import type { CommandDeps, Outcome } from './deps.js';
import { verified } from './verified.js';

type Deps = Pick<CommandDeps, 'access' | 'clock'>;

/** A new token for a subscription: its expiry and info from now on. */
export function subRefresh(client: Client, request: SubRefreshRequest, id: number, deps: Deps): Outcome {
  const { channel } = request;
  if (channel === '') return client.refuse(id, disconnects.badRequest);
  const subscription = client.subscriptions.get(channel);
  if (subscription?.state !== 'live') return client.refuse(id, errors.permissionDenied);
  if (!subscription.clientSideRefresh) return client.refuse(id, disconnects.badRequest);
  if (request.token === '') return client.refuse(id, errors.badRequest);
  return verified(
    () => deps.access.subscribeTokens.verifySubscribe(request.token),
    (token) => {
      const now = deps.clock.now();
      const refusal = whyNot(client, channel, token, now);
      if (refusal !== null) return client.refuse(id, refusal);
      const { expireAt, info } = token as SubscribeToken;
      subscription.expireAt = cappedExpiry(expireAt, now);
      subscription.chanInfo = info;
      client.keepalive.subscribed(subscription);
      const ttl = secondsLeft(subscription.expireAt, now);
      client.reply({ id, subRefresh: subscription.expireAt > 0 ? { expires: true, ttl } : {} });
    },
  );
}

function whyNot(client: Client, channel: string, token: SubscribeToken | TokenError, nowMs: number): Refusal | null {
  if (token instanceof TokenError) return token.kind === 'expired' ? errors.expired : disconnects.invalidToken;
  const fits =
    token.channel === channel && token.user === client.user && (token.client === '' || token.client === client.id);
  if (!fits) return disconnects.invalidToken;
  return token.expireAt > 0 && secondsLeft(token.expireAt, nowMs) < 0 ? errors.expired : null;
}
