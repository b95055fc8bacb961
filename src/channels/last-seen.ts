/**
 * How far streams had come that nobody here follows any more, or that were only published to. When a broker comes back as
 * another process (engine.ts' FeedState), it may have lost their ends; somebody must know, because subscribers who were
 * away meanwhile come back to whatever node there is.
 */
import type { Broker } from '../engine/engine.js';
import type { StreamPosition } from '../protocol/messages.js';

const STREAMS_MAX = 10_000;
/** Longer than a failover takes, from the last publication that the former server acknowledged. */
const KEPT_STEPS = 120;
/** How often {@link LastSeen.step} is to be called. */
export const LAST_SEEN_STEP_MS = 500;

interface Seen {
  offset: number;
  epoch: string;
  step: number;
  /** Compared since the feed began to settle. */
  isCompared: boolean;
}

export interface LastSeenHost {
  readonly feed: Broker['feed'];
  position(channel: string, done: (position: StreamPosition) => void): void;
  /** The stream has lost its end. */
  reset(channel: string, epoch: string): void;
}

export class LastSeen {
  readonly #streams = new Map<string, Seen>();
  #step = 0;

  constructor(private readonly host: LastSeenHost) {}

  /** A publication with this place was seen, or acknowledged. */
  note(channel: string, offset: number, epoch: string): void {
    const seen = this.#streams.get(channel);
    if (seen === undefined) {
      if (this.#streams.size >= STREAMS_MAX) this.#streams.delete(this.#streams.keys().next().value!);
      this.#streams.set(channel, { offset, epoch, step: this.#step, isCompared: false });
      return;
    }
    if (epoch !== seen.epoch || offset > seen.offset) {
      seen.offset = offset;
      seen.epoch = epoch;
    }
    seen.step = this.#step;
  }

  step(): void {
    this.#step++;
    for (const [channel, seen] of this.#streams) {
      const feed = this.host.feed(channel);
      if (feed === 'settling') this.#compare(channel, seen);
      // While a broker is away nothing is forgotten.
      else if (feed === 'up') this.#rest(channel, seen);
    }
  }

  #rest(channel: string, seen: Seen): void {
    seen.isCompared = false;
    if (this.#step - seen.step > KEPT_STEPS) this.#streams.delete(channel);
  }

  #compare(channel: string, seen: Seen): void {
    if (seen.isCompared) return;
    seen.isCompared = true;
    const { offset, epoch } = seen;
    this.host.position(channel, (position) => {
      if (position.epoch === epoch && position.offset < offset) this.host.reset(channel, epoch);
    });
  }
}
