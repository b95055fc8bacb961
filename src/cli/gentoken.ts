import { Command, InvalidArgumentError } from 'commander';
import { describeToken, signToken } from '../auth/sign-token.js';
import { readConfig } from '../config/read.js';
import type { Io } from './io.js';

const WEEK_SECONDS = 7 * 24 * 60 * 60;

export function parseSeconds(text: string): number {
  if (!/^-?\d+$/.test(text)) throw new InvalidArgumentError('Wanted a whole number of seconds.');
  return Number(text);
}

/** A command that signs a token: what both have in common. */
export const signingCommand = (name: string, description: string): Command =>
  new Command(name)
    .description(description)
    .option('-c, --config <file>', 'configuration file with the key', 'config.json')
    .option('-u, --user <id>', 'user id; without it the user is anonymous')
    .option('-t, --ttl <seconds>', 'how long the token is valid; -1 means without end', parseSeconds, WEEK_SECONDS)
    .option('-q, --quiet', 'print the token only');

export interface SigningOptions {
  config: string;
  user?: string;
  ttl: number;
  quiet?: boolean;
}

export const gentokenCommand = (io: Io): Command =>
  signingCommand('gentoken', 'sign a connection token, to try things out').action(
    ({ config: path, user = '', ttl, quiet }: SigningOptions) => {
      const request = { user, ttl };
      const { config } = readConfig({ path, env: io.env, cwd: io.cwd });
      const token = signToken(config.client.token, 'client.token', request);
      if (!quiet) io.out(`HMAC SHA-256 JWT, ${describeToken(request)}:`);
      io.out(token);
    },
  );
