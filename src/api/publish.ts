import type { PublishResult } from '../engine/engine.js';
import { JsonFields } from '../protocol/json-reader.js';
import { apiErrors } from './errors.js';
import { type Method, readRequest } from './method.js';
import {
  emptyPublication,
  Outgoing,
  type PublicationRequest,
  publicationFields,
  writePublished,
} from './publication.js';

export interface PublishRequest extends PublicationRequest {
  channel: string;
}

const fields = new JsonFields<PublishRequest>({ channel: (r) => r.string(), ...publicationFields });

export const publish: Method<PublishRequest, PublishResult> = {
  name: 'publish',
  read: (reader) => readRequest(reader, { channel: '', ...emptyPublication() }, fields),

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
