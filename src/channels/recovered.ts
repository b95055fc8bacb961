/**
 * What subscribers of this edge recovered lately. When many come back at once most have missed the same: for the others the
 * owner sends only what is newer, and copies are made of what was encoded for the first.
 *
 * Whether a client recovers is still the owner's decision, on what history holds; publications never change under their
 * epoch and offset.
 */
import { BoundedCache } from '../lib/bounded-cache.js';
import type { Bytes, Entries, Publication, StreamPosition } from '../protocol/messages.js';
import type { SubscribeCall } from './channels.js';

/** Of entries and of both encodings. */
export const RECOVERED_MAX_BYTES = 8 << 20;
const FORMS = 3;

/** All publications from after a position up to `top`. */
export interface Recovered {
  readonly top: number;
  readonly entries: Entries;
}

export class RecoveredLately {
  readonly #cache = new BoundedCache<string, Recovered>(
    RECOVERED_MAX_BYTES / 2,
    ({ entries }) => entries.bytes.length * FORMS,
  );

  since(channel: string, since: StreamPosition): Recovered | undefined {
    return this.#cache.get(keyOf(channel, since));
  }

  /**
   * @param held  what {@link since} gave, if `newer` goes on from there.
   * @param newer  entries up to `top`, in memory of their own.
   */
  keep(channel: string, since: StreamPosition, held: Recovered | undefined, newer: Bytes, top: number): Entries {
    if (held === undefined) return this.#set(channel, since, top, { bytes: newer });
    // Wanted a second time: worth keeping in the form in which it is sent.
    held.entries.encoded ??= new Map();
    if (newer.length === 0) return held.entries;
    return this.#set(channel, since, top, { bytes: Buffer.concat([held.entries.bytes, newer]), encoded: new Map() });
  }

  #set(channel: string, since: StreamPosition, top: number, entries: Entries): Entries {
    if (entries.bytes.length > 0) this.#cache.set(keyOf(channel, since), { top, entries });
    return entries;
  }
}

const keyOf = (channel: string, { offset, epoch }: StreamPosition): string => `${offset} ${epoch} ${channel}`;

/** Where what others have missed since the same position is what this one has. */
export function sharesMissed({ recover }: SubscribeCall): boolean {
  return recover?.mode === 'stream' && recover.since.epoch !== '';
}

/** Otherwise what was missed is passed on as it is. */
export function looksAtMissed({ delta, filter, recover }: SubscribeCall): boolean {
  return delta || filter !== undefined || recover?.mode === 'cache';
}

/** What this subscriber is to see of what it missed, oldest first. */
export function chooseMissed(missed: Publication[], call: SubscribeCall): Publication[] {
  const { filter } = call;
  const matching = filter === undefined ? missed : missed.filter((pub) => filter.matches(pub.tags));
  return call.recover?.mode === 'cache' ? matching.slice(0, 1) : matching;
}
