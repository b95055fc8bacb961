import { asBuffer } from '../lib/bytes.js';
import { boolean, int64, json, shape, type Values } from './fields.js';
import { type Method, NOTHING, noFields, settle, writeNothing } from './method.js';
import { target } from './target.js';

const fields = {
  ...target,
  expired: boolean('Closes the connections as expired.'),
  expireAt: int64('When they expire, in Unix seconds; 0 for never.'),
  info: json('What is said about the connections from now on.'),
};

export type RefreshRequest = Values<typeof fields>;

export const refresh: Method<RefreshRequest, object> = {
  name: 'refresh',
  about: {
    tag: 'Connections',
    summary: 'Prolong or expire connections',
    description: 'Changes when connections of a user expire, as a new connection token would.',
    example: { user: '42', expire_at: 1893456000 },
  },
  request: shape(fields),
  result: noFields,

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
