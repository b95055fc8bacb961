import type { PublishResult } from '../engine/engine.js';
import { apiErrors } from './errors.js';
import { channelName, required, shape, type Values } from './fields.js';
import type { Method } from './method.js';
import { Outgoing, publicationFields, published, writePublished } from './publication.js';

const fields = { channel: required(channelName('Channel to publish to.')), ...publicationFields };

export type PublishRequest = Values<typeof fields>;

export const publish: Method<PublishRequest, PublishResult> = {
  name: 'publish',
  about: {
    tag: 'Publications',
    summary: 'Publish to a channel',
    description: 'Sends data to all subscribers of a channel, and keeps it in the history where the channel has one.',
    example: { channel: 'news', data: { text: 'hello' } },
  },
  request: shape(fields),
  result: published,

  run(request, deps, done) {
    const { channel } = request;
    const outgoing = channel === '' ? undefined : Outgoing.of(request);
    if (outgoing === undefined) return done(apiErrors.badRequest, undefined);
    const options = deps.access.rules.resolve(channel)?.options;
    if (options === undefined) return done(apiErrors.unknownChannel, undefined);
    // Maps and shared polls have methods of their own.
    const isStream = options.subscription_type === '' || options.subscription_type === 'stream';
    if (!isStream) return done(apiErrors.badRequest, undefined);
    outgoing.send(channel, options, deps, done);
  },

  write: writePublished,
};
