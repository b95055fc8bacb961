/** What a subscriber that comes back gets, decided from what history holds: everything it missed, or an honest no. */
import type { History } from '../engine/engine.js';
import { entryOffset } from '../protocol/entry.js';
import type { Bytes, StreamPosition } from '../protocol/messages.js';

const NO_PUBLICATIONS = Buffer.alloc(0);

export interface Recovery extends StreamPosition {
  readonly recovered: boolean;
  readonly entries: Bytes;
}

export const POSITION_ONLY = { limit: 0, reverse: false } as const;
/** Offset of a channel whose position nobody asked for. */
export const NO_OFFSET = -1;
export const NOWHERE: Recovery = { offset: NO_OFFSET, epoch: '', recovered: false, entries: NO_PUBLICATIONS };

export const unrecovered = ({ offset, epoch }: StreamPosition): Recovery => ({
  offset,
  epoch,
  recovered: false,
  entries: NO_PUBLICATIONS,
});

/** A read of history, and what was published between it and `position`. @param reverse  whether the read is newest first. */
export function extend(
  read: History,
  position: StreamPosition,
  published: readonly Bytes[],
  reverse: boolean,
): History {
  if (published.length === 0) return read;
  const entries = Buffer.concat(reverse ? [...published.toReversed(), read.entries] : [read.entries, ...published]);
  return { ...position, count: read.count + published.length, entries };
}

/** Complete if the same stream goes on right after `since` and reaches the top: the first and last entry tell. */
export function recoverStream(history: History, since: StreamPosition): Recovery {
  const { offset, epoch, count, entries } = history;
  if (since.epoch !== '' && since.epoch !== epoch) return unrecovered(history);
  const complete =
    count === 0
      ? offset === since.offset
      : entryOffset(entries) === since.offset + 1 && offset - since.offset === count;
  return complete ? { offset, epoch, recovered: true, entries } : unrecovered(history);
}

/** Good if the newest publication is still stored; `entries` is newest first. */
export function recoverCache(history: History, since: StreamPosition): Recovery {
  const { offset, epoch, count, entries } = history;
  const same = since.offset > 0 && since.offset === offset && since.epoch === epoch;
  if (count === 0) return { ...unrecovered(history), recovered: same };
  if (entryOffset(entries) !== offset) return unrecovered(history);
  return { offset, epoch, recovered: true, entries: same ? NO_PUBLICATIONS : entries };
}
