/** Reading streams and lists, in the words of the broker. */
import { entryFromProtobuf } from '../../protocol/entry.js';
import type { History, HistoryFilter } from '../engine.js';
import { offsetOfId, openStored, type StoredPublication } from './envelope.js';
import type { Reply } from './shard.js';

type Stored = Pick<StoredPublication, 'offset' | 'publication'>;

/** Arguments 3 to 6 of the history script. */
export function rangeArguments({ limit, since, reverse }: HistoryFilter): string[] {
  if (limit === 0 || (reverse && since !== undefined && since.offset <= 1)) return ['', '', '', ''];
  const most = limit < 0 ? '' : String(limit);
  if (reverse) return ['xrevrange', since === undefined ? '+' : idAt(since.offset - 1), '-', most];
  return ['xrange', since === undefined ? '-' : idAt(since.offset + 1), '+', most];
}

/** Clients may name any offset of 64 bits; no stream gets beyond this one, and Redis refuses what has more bits. */
const idAt = (offset: number): string => String(Math.min(offset, Number.MAX_SAFE_INTEGER));

/** @throws EnvelopeError, ProtoError for what no node would have stored. */
export function readStream(reply: Reply[], { since, reverse }: HistoryFilter): History {
  const stored = (reply[2] as [Buffer, [Buffer, Buffer]][]).map(([id, [, publication]]) => ({
    offset: offsetOfId(id),
    publication,
  }));
  // A position that is not held has nothing known before it.
  const isHeld = !reverse || since === undefined || stored[0]?.offset === since.offset - 1;
  return history(reply, isHeld ? stored : []);
}

/** @throws EnvelopeError, ProtoError */
export function readList(reply: Reply[], { limit, since, reverse }: HistoryFilter): History {
  const newestFirst = (reply[2] as Buffer[]).map(openStored);
  const most = limit < 0 ? newestFirst.length : limit;
  if (!reverse) {
    const wanted = newestFirst.toReversed().filter(({ offset }) => since === undefined || offset > since.offset);
    return history(reply, wanted.slice(0, most));
  }
  const from = since === undefined ? 0 : newestFirst.findIndex(({ offset }) => offset === since.offset - 1);
  return history(reply, from < 0 ? [] : newestFirst.slice(from, from + most));
}

function history(reply: Reply[], stored: readonly Stored[]): History {
  const entries = stored.map(({ offset, publication }) => entryFromProtobuf(publication, offset, 0));
  return { offset: Number(reply[0]), epoch: String(reply[1]), count: entries.length, entries: Buffer.concat(entries) };
}
