import type { PresenceStats } from '../engine/engine.js';
import { type ChannelRequest, channelRequest, hasPresence, whyNot } from './channel.js';
import { fromClientError } from './errors.js';
import { shape, uint32 } from './fields.js';
import type { Method } from './method.js';

export const presenceStats: Method<ChannelRequest, PresenceStats> = {
  name: 'presence_stats',
  about: {
    tag: 'Channels',
    summary: 'Number of clients in a channel',
    description: 'How many are subscribed. Only for channels with presence.',
    example: { channel: 'news' },
  },
  request: channelRequest,
  result: shape({
    numClients: uint32('Connections that are subscribed.'),
    numUsers: uint32('Users that they belong to.'),
  }),

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
