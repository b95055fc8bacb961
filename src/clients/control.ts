import type { DisconnectOp, RefreshOp, SubscribeOp, UnsubscribeOp } from './control-ops.js';

/**
 * Acts on the matching connections of every worker, and has other nodes of a cluster do so. Resolves when each worker of
 * this node has done its part and the other nodes have been sent word; no match is no error. Rejects with a ClientError
 * when they could not be sent it, then nothing was done here either; or when a worker could not be asked or failed, the
 * others may then have acted.
 */
export interface Control {
  subscribe(op: SubscribeOp): Promise<void>;
  unsubscribe(op: UnsubscribeOp): Promise<void>;
  disconnect(op: DisconnectOp): Promise<void>;
  refresh(op: RefreshOp): Promise<void>;
}
