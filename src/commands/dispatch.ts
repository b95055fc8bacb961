import type { Client } from '../clients/client.js';
import { disconnects } from '../protocol/codes.js';
import type { Command } from '../protocol/messages.js';
import { connect } from './connect.js';
import type { CommandDeps, Outcome } from './deps.js';
import { history } from './history.js';
import { ping } from './ping.js';
import { presence } from './presence.js';
import { presenceStats } from './presence-stats.js';
import { publish } from './publish.js';
import { refresh } from './refresh.js';
import { rpc } from './rpc.js';
import { send } from './send.js';
import { subRefresh } from './sub-refresh.js';
import { subscribe } from './subscribe.js';
import { unsubscribe } from './unsubscribe.js';

/** Carry out a command: its first request in this order, whatever else it holds. */
export function dispatch(client: Client, command: Command, deps: CommandDeps): Outcome {
  const { id } = command;
  const fresh = client.state === 'fresh';
  // First connect, then anything else; and after a refused connect nothing.
  if (!fresh && client.state !== 'connected') return client.refuse(id, disconnects.badRequest);
  if (fresh && command.connect === undefined) return client.refuse(id, disconnects.badRequest);
  if (id === 0 && command.send === undefined) {
    client.pong();
    return client.done();
  }
  if (command.connect) {
    return fresh ? connect(client, command.connect, id, deps) : client.refuse(id, disconnects.badRequest);
  }
  if (command.ping) return ping(client, id, isBare(command));
  if (command.subscribe) return subscribe(client, command.subscribe, id, deps);
  if (command.unsubscribe) return unsubscribe(client, command.unsubscribe, id);
  if (command.publish) return publish(client, command.publish, id, deps);
  if (command.presence) return presence(client, command.presence, id, deps);
  if (command.presenceStats) return presenceStats(client, command.presenceStats, id, deps);
  if (command.history) return history(client, command.history, id, deps);
  if (command.rpc) return rpc(client, command.rpc, id, deps);
  if (command.send) return send(client, command.send, id);
  if (command.refresh) return refresh(client, command.refresh, id, deps);
  if (command.subRefresh) return subRefresh(client, command.subRefresh, id, deps);
  client.refuse(id, disconnects.badRequest);
}

function isBare({ id: _id, ping: _ping, ...requests }: Command): boolean {
  return Object.values(requests).every((request) => request === undefined);
}
