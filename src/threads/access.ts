/** What a running server takes over when its configuration is read again: channel options and token keys. */
import { ChannelRules } from '../auth/rules.js';
import { TokenVerifier } from '../auth/token.js';
import type { Access } from '../commands/deps.js';
import type { Config } from '../config/config.js';

/** @throws Error naming the option that cannot be used. */
export function buildAccess({ channel, client }: Config): Access {
  const extras = { skipSignatureVerify: client.insecure_skip_token_signature_verify };
  const connectTokens = new TokenVerifier(client.token, extras);
  return {
    rules: new ChannelRules(channel),
    connectTokens,
    subscribeTokens: client.subscription_token.enabled
      ? new TokenVerifier(client.subscription_token, extras)
      : connectTokens,
  };
}
