import type { Refusal } from '../clients/client.js';
import { errors } from '../protocol/codes.js';
import type { Answer } from '../proxy/answer.js';

/** What the client is told when the application gave no result: its word, or 100 where there is none. */
export function refusalOf(answer: Exclude<Answer<never>, { result: unknown }>): Refusal {
  return 'refusal' in answer ? answer.refusal : errors.internal;
}
