import { disconnects } from '../protocol/codes.js';
import { JsonFields } from '../protocol/json-reader.js';
import { type Method, NOTHING, readRequest, settle, writeNothing } from './method.js';
import { emptyTarget, type TargetRequest, targetFields } from './target.js';

export interface DisconnectRequest extends TargetRequest {
  /** Client ids to spare. */
  whitelist: string[];
  /** Default: 3503, which tells SDKs not to reconnect. */
  disconnect: { code: number; reason: string } | undefined;
}

const disconnectFields = new JsonFields<{ code: number; reason: string }>({
  code: (r) => r.uint32(),
  reason: (r) => r.string(),
});

const fields = new JsonFields<DisconnectRequest>({
  ...targetFields,
  whitelist: (r) => r.array((client) => client.string()) ?? [],
  disconnect: (r) => r.object({ code: 0, reason: '' }, disconnectFields),
});

export const disconnect: Method<DisconnectRequest, object> = {
  name: 'disconnect',
  read: (reader) => readRequest(reader, { ...emptyTarget(), whitelist: [], disconnect: undefined }, fields),

  run({ user, client, session, whitelist, disconnect: given }, deps, done) {
    const op = { user, client, session, whitelist, disconnect: given ?? disconnects.forceNoReconnect };
    settle(
      deps.control.disconnect(op).then(() => NOTHING),
      done,
    );
  },

  write: writeNothing,
};
