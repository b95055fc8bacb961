import type { Client } from '../clients/client.js';
import { disconnects } from '../protocol/codes.js';
import type { Outcome } from './deps.js';

/** Nobody handles messages, and `send` has no reply that could say so. */
export function send(client: Client, _request: object, id: number): Outcome {
  client.refuse(id, disconnects.notAvailable);
}
