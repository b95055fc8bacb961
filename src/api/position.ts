import { string, uint64 } from './fields.js';

/** A StreamPosition. */
export const position = {
  offset: uint64('Number of a publication in its stream; the first is 1.'),
  epoch: string('Names the numbering: offsets of another epoch mean nothing.'),
};
