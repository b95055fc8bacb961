import { type ChannelRequest, channelRequest, hasHistory, whyNot } from './channel.js';
import { fromClientError } from './errors.js';
import { type Method, NOTHING, noFields, writeNothing } from './method.js';

export const historyRemove: Method<ChannelRequest, object> = {
  name: 'history_remove',
  about: {
    tag: 'Channels',
    summary: 'Remove the history of a channel',
    description: 'Drops the publications that are kept. Offset and epoch of the stream stay.',
    example: { channel: 'news' },
  },
  request: channelRequest,
  result: noFields,

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
