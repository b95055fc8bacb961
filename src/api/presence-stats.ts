import type { PresenceStats } from '../engine/engine.js';
import { type ChannelRequest, channelFields, hasPresence, whyNot } from './channel.js';
import { fromClientError } from './errors.js';
import { type Method, readRequest } from './method.js';

export const presenceStats: Method<ChannelRequest, PresenceStats> = {
  name: 'presence_stats',
  read: (reader) => readRequest(reader, { channel: '' }, channelFields),

  run({ channel }, deps, done) {
    const refusal = whyNot(channel, deps, hasPresence);
    if (refusal !== null) return done(refusal, undefined);
    deps.channels.presenceStats(channel, (error, stats) => {
      if (error !== null) done(fromClientError(error), undefined);
      else done(null, stats);
    });
  },

  write(w, { numClients, numUsers }) {
    w.key('num_clients');
    w.digits(numClients);
    w.key('num_users');
    w.digits(numUsers);
  },
};
