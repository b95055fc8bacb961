/** The application decides whether connections and subscriptions that have expired may stay. */
import type { Client } from '../clients/client.js';
import type { Renewals } from '../clients/deps.js';
import { cappedExpiry, secondsLeft } from '../clients/subscribing.js';
import type { Subscription } from '../clients/subscription.js';
import { disconnects } from '../protocol/codes.js';
import type { EventProxy } from '../proxy/event-proxy.js';
import { askRefresh, askSubRefresh } from '../proxy/events.js';
import type { CommandDeps } from './deps.js';

type Deps = Pick<CommandDeps, 'access' | 'clock' | 'proxies'>;

/** What has expired stays this long when the application gives no answer; then it is asked again. */
const RETRY_AFTER_SECONDS = 60;

export function renewals(deps: Deps): Renewals {
  const refresh = deps.proxies.get('refresh');
  return {
    connection: refresh && ((client) => void renewConnection(client, refresh, deps)),
    subscription(subscription) {
      const options = deps.access.rules.resolve(subscription.channel)?.options;
      if (!options?.sub_refresh_proxy_enabled) return false;
      const proxy = deps.proxies.get('sub_refresh', options.sub_refresh_proxy_name);
      if (proxy !== undefined) void renewSubscription(subscription, proxy, deps);
      return proxy !== undefined;
    },
  };
}

/** Errors and disconnects in the answer do not count: without a result the connection has expired, as in Centrifugo. */
async function renewConnection(client: Client, proxy: EventProxy, { clock, proxies }: Deps): Promise<void> {
  const answer = await askRefresh(proxy, client);
  if (client.ending) return;
  const now = clock.now();
  if ('failed' in answer) {
    client.expireAt = later(now);
  } else {
    const result = 'result' in answer ? answer.result : undefined;
    if (result === undefined || result.expired || secondsLeft(result.expireAt, now) <= 0) {
      client.disconnect(disconnects.expired);
      return;
    }
    client.expireAt = cappedExpiry(result.expireAt, now);
    if (result.info !== undefined) client.connInfo = result.info;
    if (result.meta !== undefined && proxies.usesMeta) client.meta = result.meta;
  }
  client.keepalive.connectionExpiry();
}

/** As {@link renewConnection}, except that with `expire_at` 0 it never expires again. */
async function renewSubscription(subscription: Subscription, proxy: EventProxy, { clock }: Deps): Promise<void> {
  const { subscriber: client, channel } = subscription;
  subscription.renewing = true;
  const answer = await askSubRefresh(proxy, client, channel);
  subscription.renewing = false;
  if (subscription.state !== 'live') return;
  const now = clock.now();
  if ('failed' in answer) {
    subscription.expireAt = later(now);
  } else {
    const result = 'result' in answer ? answer.result : undefined;
    if (result === undefined || result.expired || (result.expireAt > 0 && secondsLeft(result.expireAt, now) < 0)) {
      subscription.expired();
      return;
    }
    subscription.expireAt = cappedExpiry(result.expireAt, now);
    if (result.info !== undefined) subscription.chanInfo = result.info;
  }
  client.keepalive.subscribed(subscription);
}

const later = (nowMs: number): number => Math.floor(nowMs / 1000) + RETRY_AFTER_SECONDS;
