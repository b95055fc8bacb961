import { Command } from 'commander';
import { TokenError, type TokenOptions, TokenVerifier } from '../auth/token.js';
import { readConfig } from '../config/read.js';
import { CommandError, type Io } from './io.js';
import { subscriptionTokenConfig } from './subscription-token.js';

export const checktokenCommand = (io: Io): Command =>
  checkingCommand('checktoken', 'verify a connection token').action(
    async (token: string, { config: path }: Options) => {
      const { config } = readConfig({ path, env: io.env, cwd: io.cwd });
      const verifier = verifierFor(config.client.token, 'client.token');
      const { user } = await verified(() => verifier.verifyConnect(token));
      io.out(`valid connection token, ${describeUser(user)}`);
      io.out(`payload: ${payloadOf(token)}`);
    },
  );

export const checksubtokenCommand = (io: Io): Command =>
  checkingCommand('checksubtoken', 'verify a subscription token').action(
    async (token: string, { config: path }: Options) => {
      const { config } = readConfig({ path, env: io.env, cwd: io.cwd });
      const { options, at } = subscriptionTokenConfig(config);
      const verifier = verifierFor(options, at);
      const { user, channel } = await verified(() => verifier.verifySubscribe(token));
      io.out(`valid subscription token, ${describeUser(user)}, channel "${channel}"`);
      io.out(`payload: ${payloadOf(token)}`);
    },
  );

interface Options {
  config: string;
}

const checkingCommand = (name: string, description: string): Command =>
  new Command(name)
    .description(description)
    .argument('<token>', 'the token')
    .option('-c, --config <file>', 'configuration file with the keys', 'config.json');

const describeUser = (user: string): string => (user === '' ? 'anonymous user' : `user "${user}"`);

const payloadOf = (token: string): string => Buffer.from(token.split('.')[1]!, 'base64url').toString();

function verifierFor(options: TokenOptions, at: string): TokenVerifier {
  try {
    return new TokenVerifier(options);
  } catch (error) {
    throw new CommandError(`${at}: ${(error as Error).message}`);
  }
}

async function verified<T>(verify: () => T | Promise<T>): Promise<T> {
  try {
    return await verify();
  } catch (error) {
    if (error instanceof TokenError) throw new CommandError(`the token is ${error.kind}: ${error.message}`);
    throw error;
  }
}
