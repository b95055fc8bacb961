/** Methods of channel types that Gyre does not have: known by name, refused with 108. */
import { JsonFields } from '../protocol/json-reader.js';
import { apiErrors } from './errors.js';
import { type AnyMethod, readRequest, writeNothing } from './method.js';

const fields = new JsonFields<object>({});

const unavailable = (name: string): AnyMethod => ({
  name,
  read: (reader) => readRequest(reader, {}, fields),
  run: (_request, _deps, done) => done(apiErrors.notAvailable, undefined),
  write: writeNothing,
});

export const unavailableMethods: readonly AnyMethod[] = [
  'map_publish',
  'map_remove',
  'map_read_state',
  'map_read_stream',
  'map_stats',
  'map_clear',
  'shared_poll_publish',
].map(unavailable);
