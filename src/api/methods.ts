import { broadcast } from './broadcast.js';
import { channels } from './channels.js';
import { disconnect } from './disconnect.js';
import { history } from './history.js';
import { historyRemove } from './history-remove.js';
import { info } from './info.js';
import type { AnyMethod } from './method.js';
import { presence } from './presence.js';
import { presenceStats } from './presence-stats.js';
import { publish } from './publish.js';
import { refresh } from './refresh.js';
import { rpc } from './rpc.js';
import { subscribe } from './subscribe.js';
import { unavailableMethods } from './unavailable.js';
import { unsubscribe } from './unsubscribe.js';

/** All methods but batch, which calls them. The order decides which one a batch command with several names means. */
export const methods: readonly AnyMethod[] = [
  publish,
  broadcast,
  subscribe,
  unsubscribe,
  disconnect,
  history,
  historyRemove,
  presence,
  presenceStats,
  info,
  rpc,
  refresh,
  channels,
  ...unavailableMethods,
];

/**
 * Whether a call may start before the one ahead of it in the same request is answered, with the same outcome as if it
 * had waited. True for two calls that only publish: publications to a channel take the same way to the same owner, and
 * there they get their offsets in the order in which they were sent.
 */
export const mayOverlap = (previous: AnyMethod | undefined, next: AnyMethod | undefined): boolean =>
  publishes(previous) && publishes(next);

const publishes = (method: AnyMethod | undefined): boolean => method === publish || method === broadcast;
