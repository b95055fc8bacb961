import { decidePresence } from '../auth/permissions.js';
import type { Client } from '../clients/client.js';
import { disconnects } from '../protocol/codes.js';
import { type CommandDeps, callerOf, type Outcome } from './deps.js';

type Deps = Pick<CommandDeps, 'access' | 'channels' | 'config'>;

export function presenceStats(client: Client, { channel }: { channel: string }, id: number, deps: Deps): Outcome {
  if (channel === '') return client.refuse(id, disconnects.badRequest);
  const caller = callerOf(client, deps.config);
  const refusal = decidePresence(deps.access.rules.resolve(channel), caller, client.isSubscribed(channel));
  if (refusal !== undefined) return client.refuse(id, refusal);
  deps.channels.presenceStats(channel, (error, stats) => {
    if (error !== null) client.refuse(id, error);
    else client.reply({ id, presenceStats: stats! });
  });
}
