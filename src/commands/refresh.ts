import { sources } from '../auth/grant.js';
import { type ConnectToken, TokenError } from '../auth/token.js';
import type { Client, Refusal } from '../clients/client.js';
import { cappedExpiry, secondsLeft } from '../clients/subscribing.js';
import { disconnects, errors } from '../protocol/codes.js';
import type { CommandDeps, Outcome } from './deps.js';
import { verified } from './verified.js';

type Deps = Pick<CommandDeps, 'access' | 'clock' | 'proxies'>;

/** A new token for the connection: its expiry and info from now on. */
export function refresh(client: Client, request: { token: string }, id: number, deps: Deps): Outcome {
  // The application is asked instead of the client.
  if (request.token === '' || deps.proxies.get('refresh') !== undefined) {
    return client.refuse(id, disconnects.badRequest);
  }
  return verified(
    () => deps.access.connectTokens.verifyConnect(request.token),
    (token) => {
      const now = deps.clock.now();
      const refusal = whyNot(client, token, now);
      if (refusal !== null) return client.refuse(id, refusal);
      apply(client, token as ConnectToken, id, now, deps);
    },
  );
}

function whyNot(client: Client, token: ConnectToken | TokenError, nowMs: number): Refusal | null {
  if (token instanceof TokenError) return token.kind === 'expired' ? disconnects.expired : disconnects.invalidToken;
  if (token.user !== client.user) return disconnects.invalidToken;
  // Reconnecting is the way to other server-side subscriptions.
  if (subscriptionsChanged(client, token)) return disconnects.insufficientState;
  return token.expireAt > 0 && secondsLeft(token.expireAt, nowMs) <= 0 ? errors.expired : null;
}

function subscriptionsChanged(client: Client, token: ConnectToken): boolean {
  for (const channel of token.subs.keys()) if (!client.isSubscribed(channel)) return true;
  return client.subscriptions
    .all()
    .some(({ source, channel }) => source === sources.connectionToken && !token.subs.has(channel));
}

function apply(client: Client, token: ConnectToken, id: number, nowMs: number, { proxies }: Deps): void {
  client.expireAt = cappedExpiry(token.expireAt, nowMs);
  if (token.info !== undefined) client.connInfo = token.info;
  if (token.meta !== undefined && proxies.usesMeta) client.meta = token.meta;
  client.keepalive.connectionExpiry();
  const expires = client.expireAt > 0 ? { expires: true, ttl: secondsLeft(client.expireAt, nowMs) } : {};
  client.reply({ id, refresh: { client: '', version: '', ...expires } });
}
