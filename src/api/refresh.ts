import { asBuffer } from '../lib/bytes.js';
import { JsonFields } from '../protocol/json-reader.js';
import type { Bytes } from '../protocol/messages.js';
import { type Method, NOTHING, readRequest, settle, writeNothing } from './method.js';
import { emptyTarget, type TargetRequest, targetFields } from './target.js';

export interface RefreshRequest extends TargetRequest {
  expired: boolean;
  /** Unix seconds; 0 makes the connection non-expiring. */
  expireAt: number;
  info: Bytes | undefined;
}

const fields = new JsonFields<RefreshRequest>({
  ...targetFields,
  expired: (r) => r.boolean(),
  expireAt: (r) => r.int64(),
  info: (r) => r.raw(),
});

export const refresh: Method<RefreshRequest, object> = {
  name: 'refresh',
  read: (reader) => readRequest(reader, { ...emptyTarget(), expired: false, expireAt: 0, info: undefined }, fields),

  run({ user, client, session, expired, expireAt, info }, deps, done) {
    const base64 = info === undefined ? '' : asBuffer(info).toString('base64');
    const op = { user, client, session, expired, expireAt, info: base64 };
    settle(
      deps.control.refresh(op).then(() => NOTHING),
      done,
    );
  },

  write: writeNothing,
};
