import { unsubscribes } from '../protocol/codes.js';
import { JsonFields } from '../protocol/json-reader.js';
import { apiErrors } from './errors.js';
import { type Method, NOTHING, readRequest, settle, writeNothing } from './method.js';
import { emptyTarget, type TargetRequest, targetFields } from './target.js';

export interface UnsubscribeRequest extends TargetRequest {
  /** May be empty, see UnsubscribeOp. */
  channel: string;
}

const fields = new JsonFields<UnsubscribeRequest>({ ...targetFields, channel: (r) => r.string() });

export const unsubscribe: Method<UnsubscribeRequest, object> = {
  name: 'unsubscribe',
  read: (reader) => readRequest(reader, { ...emptyTarget(), channel: '' }, fields),

  run({ user, client, session, channel }, deps, done) {
    const known = channel === '' || deps.access.rules.resolve(channel) !== undefined;
    if (!known) return done(apiErrors.unknownChannel, undefined);
    const op = { user, client, session, channel, unsubscribe: unsubscribes.server };
    settle(
      deps.control.unsubscribe(op).then(() => NOTHING),
      done,
    );
  },

  write: writeNothing,
};
