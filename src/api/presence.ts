import type { ClientInfo } from '../protocol/messages.js';
import { type ChannelRequest, channelFields, hasPresence, whyNot, writeClientInfo } from './channel.js';
import { fromClientError } from './errors.js';
import { type Method, readRequest } from './method.js';

export interface PresenceResult {
  /** By client id. */
  presence: Readonly<Record<string, ClientInfo>>;
}

export const presence: Method<ChannelRequest, PresenceResult> = {
  name: 'presence',
  read: (reader) => readRequest(reader, { channel: '' }, channelFields),

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
