import { decideHistory } from '../auth/permissions.js';
import type { Client } from '../clients/client.js';
import { disconnects, errors } from '../protocol/codes.js';
import type { HistoryRequest } from '../protocol/messages.js';
import { type CommandDeps, callerOf, type Outcome } from './deps.js';

type Deps = Pick<CommandDeps, 'access' | 'channels' | 'config'>;

export function history(client: Client, request: HistoryRequest, id: number, deps: Deps): Outcome {
  const { channel, since, reverse } = request;
  if (channel === '') return client.refuse(id, disconnects.badRequest);
  const caller = callerOf(client, deps.config);
  const refusal = decideHistory(deps.access.rules.resolve(channel), caller, client.isSubscribed(channel));
  if (refusal !== undefined) return client.refuse(id, refusal);
  // There is nothing before the beginning.
  if (reverse && since?.offset === 0) return client.refuse(id, errors.badRequest);
  const limit = clamp(request.limit, deps.config.client.history_max_publication_limit);
  deps.channels.history(channel, { limit, since, reverse }, (error, result) => {
    if (error !== null) client.refuse(id, error);
    else if (since !== undefined && since.epoch !== '' && since.epoch !== result!.epoch) {
      client.refuse(id, errors.unrecoverablePosition);
    } else client.reply({ id, history: result! });
  });
}

/** A negative limit asks for everything; `max` 0 sets no limit. */
function clamp(limit: number, max: number): number {
  return max > 0 && (limit < 0 || limit > max) ? max : Math.max(-1, limit);
}
