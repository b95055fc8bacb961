import type { ClientInfo } from '../protocol/messages.js';
import { type ChannelRequest, channelRequest, clientInfo, hasPresence, whyNot, writeClientInfo } from './channel.js';
import { fromClientError } from './errors.js';
import { record, shape } from './fields.js';
import type { Method } from './method.js';

export interface PresenceResult {
  /** By client id. */
  presence: Readonly<Record<string, ClientInfo>>;
}

export const presence: Method<ChannelRequest, PresenceResult> = {
  name: 'presence',
  about: {
    tag: 'Channels',
    summary: 'Clients in a channel',
    description: 'Who is subscribed. Only for channels with presence.',
    example: { channel: 'news' },
  },
  request: channelRequest,
  result: shape({ presence: record(clientInfo, 'By client id.') }),

  run({ channel }, deps, done) {
    const refusal = whyNot(channel, deps, hasPresence);
    if (refusal !== null) return done(refusal, undefined);
    deps.channels.presence(channel, (error, clients) => {
      if (error !== null) done(fromClientError(error), undefined);
      else done(null, { presence: clients! });
    });
  },

  write(w, result) {
    w.key('presence');
    w.open();
    for (const client of Object.keys(result.presence).sort()) {
      w.textKey(client);
      writeClientInfo(w, result.presence[client]!);
    }
    w.close();
  },
};
