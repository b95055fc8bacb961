import { JsonFields } from '../protocol/json-reader.js';

/** A StreamPosition on its way in. */
export interface Position {
  offset: number;
  epoch: string;
}

export const emptyPosition = (): Position => ({ offset: 0, epoch: '' });

export const positionFields = new JsonFields<Position>({ offset: (r) => r.uint64(), epoch: (r) => r.string() });
