import type { Client } from '../clients/client.js';
import { disconnects, errors } from '../protocol/codes.js';
import type { Outcome } from './deps.js';

/** Only the server pings. @param bare  nothing else was asked in the same command. */
export function ping(client: Client, id: number, bare: boolean): Outcome {
  client.refuse(id, bare ? disconnects.badRequest : errors.notAvailable);
}
