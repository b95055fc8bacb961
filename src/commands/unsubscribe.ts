import type { Client } from '../clients/client.js';
import { disconnects } from '../protocol/codes.js';
import type { Outcome } from './deps.js';

/** Succeeds for what is not subscribed, too. Waits for a subscribe of the channel that is still in flight. */
export function unsubscribe(client: Client, request: { channel: string }, id: number): Outcome {
  if (request.channel === '') return client.refuse(id, disconnects.badRequest);
  const subscription = client.subscriptions.get(request.channel);
  if (subscription === undefined) return client.reply({ id, unsubscribe: {} });
  // A subscribe sent after this must not find the channel still subscribed.
  if (subscription.state === 'subscribing') client.suspend();
  subscription.whenSettled(() => {
    client.unsubscribe(subscription);
    client.reply({ id, unsubscribe: {} });
  });
}
