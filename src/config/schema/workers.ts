import { bool, duration, int, section } from '../fields.js';

/** Options that only Gyre has. */
export const workers = section(
  {
    count: int(0, 'Worker threads; 0 means one per core this process may use.', { min: 0, max: 1024 }),
    owners: int(0, 'How many of the workers own channels; 0 means all.', { min: 0, max: 1024 }),
    ring_size: int(0, 'Ring of one link between two threads, bytes; a power of two from 4096. 0: up to 1 MiB each.', {
      min: 0,
      max: 1 << 30,
    }),
    hang_timeout: duration('10s', 'A worker silent for this long is reported as hanging; 0 turns the check off.'),
  },
  'Worker threads.',
);

export const dev = section({ demo: bool('Serves a demo page at /.') }, 'Development aids. Never in production.');
