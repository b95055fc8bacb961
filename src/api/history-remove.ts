import { type ChannelRequest, channelFields, hasHistory, whyNot } from './channel.js';
import { fromClientError } from './errors.js';
import { type Method, NOTHING, readRequest, writeNothing } from './method.js';

/** Drops the stored publications; offset and epoch stay. */
export const historyRemove: Method<ChannelRequest, object> = {
  name: 'history_remove',
  read: (reader) => readRequest(reader, { channel: '' }, channelFields),

  run({ channel }, deps, done) {
    const refusal = whyNot(channel, deps, hasHistory);
    if (refusal !== null) return done(refusal, undefined);
    deps.channels.removeHistory(channel, (error) => {
      if (error !== null) done(fromClientError(error), undefined);
      else done(null, NOTHING);
    });
  },

  write: writeNothing,
};
