/** Methods of channel types that Gyre does not have: known by name, refused with 108. */
import { apiErrors } from './errors.js';
import { type AnyMethod, noFields, writeNothing } from './method.js';

const unavailable = (name: string): AnyMethod => ({
  name,
  about: {
    tag: 'Not available',
    summary: name.replaceAll('_', ' ').replace(/^./, (c) => c.toUpperCase()),
    description: 'For a type of channels that this server does not have. Answers 108.',
    example: {},
  },
  request: noFields,
  result: noFields,
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
