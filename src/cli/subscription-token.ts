import type { Config, TokenConfig } from '../config/config.js';

/** The options that subscription tokens are verified by, and where they are. */
export function subscriptionTokenConfig({ client }: Config): { options: TokenConfig; at: string } {
  return client.subscription_token.enabled
    ? { options: client.subscription_token, at: 'client.subscription_token' }
    : { options: client.token, at: 'client.token' };
}
