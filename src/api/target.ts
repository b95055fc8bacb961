import type { Target } from '../clients/control-ops.js';
import type { JsonReader } from '../protocol/json-reader.js';

/** Whose connections a request is about, see {@link Target}. */
export type TargetRequest = { -readonly [K in keyof Target]: Target[K] };

export const emptyTarget = (): TargetRequest => ({ user: '', client: '', session: '' });

export const targetFields = {
  user: (r: JsonReader) => r.string(),
  client: (r: JsonReader) => r.string(),
  session: (r: JsonReader) => r.string(),
};
