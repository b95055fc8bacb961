import type { Command } from 'commander';
import { describeToken, signToken } from '../auth/sign-token.js';
import { readConfig } from '../config/read.js';
import { type SigningOptions, signingCommand } from './gentoken.js';
import type { Io } from './io.js';
import { subscriptionTokenConfig } from './subscription-token.js';

interface Options extends SigningOptions {
  channel: string;
}

export const gensubtokenCommand = (io: Io): Command =>
  signingCommand('gensubtoken', 'sign a subscription token, to try things out')
    .requiredOption('-s, --channel <channel>', 'channel that may be subscribed to')
    .action(({ config: path, user = '', channel, ttl, quiet }: Options) => {
      const request = { user, channel, ttl };
      const { config } = readConfig({ path, env: io.env, cwd: io.cwd });
      const { options, at } = subscriptionTokenConfig(config);
      const token = signToken(options, at, request);
      if (!quiet) io.out(`HMAC SHA-256 JWT, ${describeToken(request)}:`);
      io.out(token);
    });
