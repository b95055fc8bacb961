import { unsubscribes } from '../protocol/codes.js';
import type { StreamListener } from '../proxy/subscribe-stream.js';
import type { Subscription } from './subscription.js';

/** What the application sends by a stream, to its subscriber. A slow client is closed as everywhere, by its outbox. */
export function streamTo(subscription: Subscription): StreamListener {
  const { subscriber: client, channel } = subscription;
  return {
    publication: (pub) => client.push({ channel, pub }),
    // After a failure clients subscribe again.
    ended: (orderly) =>
      client.unsubscribe(subscription, orderly ? unsubscribes.server : unsubscribes.insufficientState),
  };
}
