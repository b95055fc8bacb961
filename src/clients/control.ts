import type { DisconnectOp, RefreshOp, SubscribeOp, UnsubscribeOp } from './control-ops.js';

/**
 * Acts on the matching connections of every worker. Resolves when each worker has done its part; no match is no error.
 * Rejects with a ClientError when a worker could not be asked or failed; the others may have acted.
 */
export interface Control {
  subscribe(op: SubscribeOp): Promise<void>;
  unsubscribe(op: UnsubscribeOp): Promise<void>;
  disconnect(op: DisconnectOp): Promise<void>;
  refresh(op: RefreshOp): Promise<void>;
}
