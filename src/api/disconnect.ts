import { disconnects } from '../protocol/codes.js';
import { list, optional, shape, string, uint32, type Values } from './fields.js';
import { type Method, NOTHING, noFields, settle, writeNothing } from './method.js';
import { target } from './target.js';

const reason = shape({
  code: uint32('Tells the client, by its range, whether to connect again: from 3500 on it does not.'),
  reason: string('For people.'),
});

const fields = {
  ...target,
  whitelist: list(string('Client id.'), 'Connections to spare.'),
  disconnect: optional(reason, 'What the clients are told. By default 3503, after which they do not connect again.'),
};

export type DisconnectRequest = Values<typeof fields>;

export const disconnect: Method<DisconnectRequest, object> = {
  name: 'disconnect',
  about: {
    tag: 'Connections',
    summary: 'Close connections',
    description: 'Disconnects the clients of a user.',
    example: { user: '42' },
  },
  request: shape(fields),
  result: noFields,

  run({ user, client, session, whitelist, disconnect: given }, deps, done) {
    const op = { user, client, session, whitelist, disconnect: given ?? disconnects.forceNoReconnect };
    settle(
      deps.control.disconnect(op).then(() => NOTHING),
      done,
    );
  },

  write: writeNothing,
};
