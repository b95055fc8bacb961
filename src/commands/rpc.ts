import type { Client } from '../clients/client.js';
import { errors } from '../protocol/codes.js';
import type { RpcRequest } from '../protocol/messages.js';
import type { CommandDeps, Outcome } from './deps.js';

/** `rpc.ping` is the only built-in method: without it there is nothing to call. */
export function rpc(client: Client, request: RpcRequest, id: number, { config }: Pick<CommandDeps, 'config'>): Outcome {
  const { ping } = config.rpc;
  if (!ping.enabled) return client.refuse(id, errors.notAvailable);
  if (request.method !== ping.method) return client.refuse(id, errors.methodNotFound);
  client.reply({ id, rpc: {} });
}
