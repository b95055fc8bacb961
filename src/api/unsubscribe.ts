import { unsubscribes } from '../protocol/codes.js';
import { apiErrors } from './errors.js';
import { shape, string, type Values } from './fields.js';
import { type Method, NOTHING, noFields, settle, writeNothing } from './method.js';
import { target } from './target.js';

const fields = {
  ...target,
  channel: string('Channel to unsubscribe from; empty for all.'),
};

export type UnsubscribeRequest = Values<typeof fields>;

export const unsubscribe: Method<UnsubscribeRequest, object> = {
  name: 'unsubscribe',
  about: {
    tag: 'Connections',
    summary: 'Unsubscribe connections',
    description: 'Ends subscriptions of a user. The clients are told, and do not subscribe again by themselves.',
    example: { user: '42', channel: 'news' },
  },
  request: shape(fields),
  result: noFields,

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
