/**
 * Makes of a channel's feed, in which publications may be missing, come twice, or lag behind what a read has shown, a
 * stream in which every offset follows the one before. It knows how far the stream was handed on (`top`), so that
 *
 *   - what was handed on already is dropped, and after a hole, an interruption, or when the feed does not get to where a
 *     read has been, the missing publications are read from history and handed on in their place. Subscribers notice
 *     nothing. Only where history does not have them either is the loss told;
 *   - a subscriber joins at an exact place: at the position that its read of history has shown, once the feed is there too,
 *     or further on, with the publications that were handed on since.
 *
 *                       a hole, an interruption, a lagging feed, a periodic check
 *                    ┌────────────────────────────────────────────────────────────┐
 *    idle ── read ── live ───────────────────────────────────────────────────── healing ── gives up ── idle
 *                    └──────────── history has what was missing, or it is told ────┘
 *
 * A stream whose end turns out to be gone (a failover to a replica that had not heard of it) would give used offsets to
 * other publications. It is recognised by its top, or by the time stamp of the publication at our top, and gets a
 * new epoch, so that nobody anywhere recovers from it as if nothing had been.
 */
import type { History, HistoryFilter } from '../engine/engine.js';
import { entryOffset, entryTime, findEntry, forEachEntry } from '../protocol/entry.js';
import type { Bytes, StreamPosition } from '../protocol/messages.js';
import { CatchingUp, type Joining } from './catching-up.js';
import type { OwnedChannel } from './owned-channel.js';

/** How long a feed may lag behind a read before history is asked for what is missing. */
const FEED_LAG_MS = 500;
const HEAL_RETRY_MS = 250;
const HEAL_ATTEMPTS_MAX = 20;
/** At a time. */
const HEAL_READ_PUBLICATIONS = 256;

/** What followers need of the owner of their channels. */
export interface FollowerHost {
  /** Hand a publication to every edge of the channel. */
  deliver(channel: OwnedChannel, entry: Bytes): void;
  /** Tell every edge that publications are missing before the next one. */
  lose(channel: OwnedChannel): void;
  read(channel: OwnedChannel, filter: HistoryFilter, done: (history: History) => void, failed: () => void): void;
  resetEpoch(channel: OwnedChannel, epoch: string): void;
  later(ms: number, run: () => void): void;
}

/** 0 where the read does not show it. */
function timeAtTop({ offset, entries }: History): number {
  const at = findEntry(entries, offset);
  return at < entries.length ? entryTime(entries, at) : 0;
}

export class Follower {
  #state: 'idle' | 'live' | 'healing' = 'idle';
  #top = 0;
  #topTime = 0;
  #epoch = '';
  #busy: CatchingUp | undefined;
  /** Of reads: those that began before an interruption may show what is not there any more. */
  #generation = 0;
  /** Heals begun: the answer to one that was given up is not taken for another's. */
  #heals = 0;
  /** `top` when a check came by last. */
  #checkedTop = -1;

  constructor(
    private readonly host: FollowerHost,
    private readonly channel: OwnedChannel,
  ) {}

  /** Whether it knows where the stream is. Otherwise the next read should include the newest publication. */
  get following(): boolean {
    return this.#state !== 'idle';
  }

  /** Up to where the stream was handed on; undefined while that may not be where it is. */
  get position(): StreamPosition | undefined {
    return this.#state === 'live' ? { offset: this.#top, epoch: this.#epoch } : undefined;
  }

  /** False while it is open whether something is missing. */
  get settled(): boolean {
    return this.#state !== 'healing';
  }

  /** From the feed. @param entry  with an offset; borrowed. */
  publication(entry: Bytes, epoch: string): void {
    const busy = this.#busy;
    if (this.#state === 'live') this.#follow(entry, epoch);
    else if (this.#state === 'healing' || (busy !== undefined && busy.reads > 0)) this.#hold(entry, epoch);
    else this.host.deliver(this.channel, entry);
  }

  /** The feed was cut off before what comes next, perhaps by a failover. */
  interrupted(): void {
    this.#generation++;
    // They are in history, or they are the end that was lost.
    this.#busy?.takeHeld();
    if (this.#state === 'idle') return;
    this.#getBusy().suspicious = true;
    this.#heal();
  }

  /** Called every `channel_position_check_delay`: a stream that stands still is compared with history. */
  check(): void {
    if (this.#state === 'live' && this.#checkedTop === this.#top) this.#heal();
    this.#checkedTop = this.#top;
  }

  // ---- reads of subscribers ----

  /**
   * A read of history begins; {@link arrived} or {@link failed} must follow.
   * @returns what `arrived` is to be given.
   */
  reading(): number {
    this.#getBusy().beginRead(this.#top);
    return this.#generation;
  }

  failed(): void {
    this.#endRead();
  }

  arrived(generation: number, read: History, joining: Joining): void {
    if (generation !== this.#generation) {
      this.#endRead();
      joining.again();
    } else if (this.#state === 'idle') this.#begin(read, joining);
    else this.#meet(read, joining);
  }

  /** The first read says where the stream is. */
  #begin(read: History, joining: Joining): void {
    this.#moveTo(read.offset, timeAtTop(read), read.epoch);
    this.#state = 'live';
    joining.join(read, []);
    this.#endRead();
    this.#release();
  }

  #meet({ offset, epoch }: StreamPosition, joining: Joining): void {
    const busy = this.#busy!;
    if (busy.suspicious) {
      busy.wait(Number.POSITIVE_INFINITY, joining);
      this.#endRead();
    } else if (epoch !== this.#epoch || !busy.knowsSince(offset)) {
      this.#endRead();
      this.#heal();
      joining.again();
    } else if (offset > this.#top) {
      busy.wait(offset, joining);
      this.host.later(FEED_LAG_MS, () => this.#feedShouldBeAt(offset, epoch));
      this.#endRead();
    } else {
      joining.join({ offset: this.#top, epoch }, busy.since(offset, this.#top));
      this.#endRead();
    }
  }

  #endRead(): void {
    // Where the first read failed nobody is to join any more.
    if (this.#busy!.endRead() && this.#state === 'idle') this.#release();
    this.#idleDown();
  }

  #feedShouldBeAt(offset: number, epoch: string): void {
    if (this.#state === 'live' && this.#epoch === epoch && this.#top < offset) this.#heal();
  }

  // ---- handing on ----

  #follow(entry: Bytes, epoch: string): void {
    const offset = entryOffset(entry);
    if (epoch === this.#epoch && offset === this.#top + 1) {
      this.#handOn(entry, offset);
    } else if (epoch !== this.#epoch || offset > this.#top) {
      this.#hold(entry, epoch);
      if (this.#state === 'live') this.#heal();
    }
  }

  #handOn(entry: Bytes, offset: number): void {
    this.#top = offset;
    this.#topTime = entryTime(entry);
    this.host.deliver(this.channel, entry);
    const busy = this.#busy;
    if (busy === undefined) return;
    busy.handedOn(entry);
    for (const joining of busy.takeDue(offset)) joining.join({ offset, epoch: this.#epoch }, []);
    this.#idleDown();
  }

  #hold(entry: Bytes, epoch: string): void {
    if (!this.#getBusy().hold(entry, epoch)) this.#giveUp();
  }

  /** Go on with what was held. */
  #release(): void {
    for (const { entry, epoch } of this.#busy?.takeHeld() ?? []) {
      if (this.#state === 'idle') this.host.deliver(this.channel, entry);
      // Of another stream than the one that was just read: it is over, or the next check finds it.
      else if (epoch === this.#epoch) this.publication(entry, epoch);
    }
    this.#idleDown();
  }

  // ---- healing ----

  #heal(): void {
    const busy = this.#getBusy();
    busy.healAgain = this.#state === 'healing';
    if (busy.healAgain) return;
    this.#state = 'healing';
    busy.attempts = 0;
    this.#readMissing(++this.#heals);
  }

  /** From the publication at our top on, to see that it is still the one we know. */
  #readMissing(heal: number): void {
    const since = { offset: Math.max(0, this.#top - 1), epoch: this.#epoch };
    const isCurrent = (): boolean => this.#state === 'healing' && this.#heals === heal;
    const read = (history: History): void => {
      if (isCurrent()) this.#resume(history, this.#busy!, heal);
    };
    const failed = (): void => {
      if (!isCurrent()) return;
      if (++this.#busy!.attempts >= HEAL_ATTEMPTS_MAX) this.#giveUp();
      else this.host.later(HEAL_RETRY_MS, () => isCurrent() && this.#readMissing(heal));
    };
    this.host.read(this.channel, { limit: HEAL_READ_PUBLICATIONS, since, reverse: false }, read, failed);
  }

  #resume(history: History, busy: CatchingUp, heal: number): void {
    const from = this.#top;
    if (history.epoch !== this.#epoch) this.#skipTo(history);
    else if (history.offset < this.#top || (busy.suspicious && this.#isAnother(history))) {
      this.host.resetEpoch(this.channel, this.#epoch);
      this.#giveUp();
      return;
    } else {
      if (!busy.suspicious || this.#isKnown(history)) this.#handOnMissing(history);
      if (this.#top < history.offset && this.#top > from) {
        this.#readMissing(heal);
        return;
      }
      if (this.#top < history.offset) this.#skipTo(history);
    }
    busy.suspicious = busy.healAgain;
    this.#state = 'live';
    this.#reconsiderWaiting(busy);
    if (busy.healAgain) this.#heal();
    else this.#release();
  }

  #handOnMissing(history: History): void {
    forEachEntry(history.entries, (entry) => {
      const offset = entryOffset(entry);
      if (offset === this.#top + 1) this.#handOn(entry, offset);
    });
  }

  /** History does not have what is missing. */
  #skipTo(history: History): void {
    this.host.lose(this.channel);
    this.#moveTo(history.offset, timeAtTop(history), history.epoch);
  }

  /** Whether the publication at our top is still there, as far as can be told. */
  #isKnown({ entries, count }: History): boolean {
    return this.#top === 0 || (count > 0 && entryOffset(entries) === this.#top);
  }

  /** Whether the offset of our top was given to another publication. */
  #isAnother(history: History): boolean {
    const { entries } = history;
    return this.#top > 0 && this.#topTime > 0 && this.#isKnown(history) && entryTime(entries) !== this.#topTime;
  }

  /** Whatever relies on the stream is told, and reads anew. */
  #giveUp(): void {
    const busy = this.#busy!;
    this.#state = 'idle';
    this.#generation++;
    busy.suspicious = busy.healAgain = false;
    this.host.lose(this.channel);
    this.#release();
    this.#reconsiderWaiting(busy);
  }

  #moveTo(offset: number, time: number, epoch: string): void {
    this.#top = offset;
    this.#topTime = time;
    this.#epoch = epoch;
    this.#busy?.forgetRecent(offset);
  }

  /** They waited for a place that this stream may never come to. */
  #reconsiderWaiting(busy: CatchingUp): void {
    for (const joining of busy.takeWaiting()) joining.again();
  }

  #getBusy(): CatchingUp {
    this.#busy ??= new CatchingUp();
    return this.#busy;
  }

  #idleDown(): void {
    if (this.#state !== 'healing' && this.#busy?.isIdle) this.#busy = undefined;
  }
}
