import type { PublishResult } from '../engine/engine.js';
import { startInOrder } from '../lib/in-order.js';
import type { ApiDeps } from './deps.js';
import { type ApiError, apiErrors } from './errors.js';
import { channelName, list, optional, required, shape, type Values } from './fields.js';
import { type ApiDone, type Method, outcome, writeOutcome } from './method.js';
import { Outgoing, publicationFields, published, writePublished } from './publication.js';

/** So that one request does not fill the links between threads on its own. */
const MAX_PUBLISHES_IN_FLIGHT = 1024;

const fields = {
  channels: required(
    list(channelName('Name.'), 'Channels to publish to. One that is named twice is published to twice.'),
  ),
  ...publicationFields,
};

const response = outcome({ result: optional(published, 'What publish answers.') });

export type BroadcastRequest = Values<typeof fields>;

interface Response {
  error: ApiError | null;
  result: PublishResult | undefined;
}

/** In the order of the channels asked for. */
export interface BroadcastResult {
  responses: Response[];
}

export const broadcast: Method<BroadcastRequest, BroadcastResult> = {
  name: 'broadcast',
  about: {
    tag: 'Publications',
    summary: 'Publish to many channels',
    description: 'Sends the same data to several channels at once. Each channel succeeds or fails on its own.',
    example: { channels: ['news', 'sport'], data: { text: 'hello' } },
  },
  request: shape(fields),
  result: shape({ responses: list(response, 'One for each channel, in the order of the request.') }),

  run(request, deps, done) {
    const { channels } = request;
    const outgoing = channels.length === 0 ? undefined : Outgoing.of(request);
    if (outgoing === undefined) return done(apiErrors.badRequest, undefined);
    const responses: Response[] = new Array(channels.length);
    startInOrder(
      channels.length,
      MAX_PUBLISHES_IN_FLIGHT,
      () => true,
      (i, finished) =>
        sendTo(channels[i]!, outgoing, deps, (error, result) => {
          responses[i] = { error, result };
          finished();
        }),
      () => done(null, { responses }),
    );
  },

  write(w, { responses }) {
    w.key('responses');
    w.ascii('[');
    for (const { error, result } of responses) {
      w.comma();
      writeOutcome(w, 'result', error, writePublished, result);
    }
    w.ascii(']');
  },
};

/** Unlike publish, without a look at the namespace's subscription type. */
function sendTo(channel: string, outgoing: Outgoing, deps: ApiDeps, done: ApiDone<PublishResult>): void {
  const options = deps.access.rules.resolve(channel)?.options;
  if (channel === '') done(apiErrors.badRequest, undefined);
  else if (options === undefined) done(apiErrors.unknownChannel, undefined);
  else outgoing.send(channel, options, deps, done);
}
