/**
 * A doorbell whose thread looks out for records before it falls asleep, where they mostly come at once: being woken costs more
 * than most of what one is woken for. Whether they do is learned, as adaptive mutexes learn it:
 *
 *   came     the level sinks by one
 *   missed   the level rises by RISE      at level n every 2^n-th occasion is taken
 *
 * So it stays low only where more than RISE in RISE + 1 see something. Elsewhere one occasion in 2^LEVEL_MAX is tried, which
 * is less than a hundredth of what falling asleep and being woken takes.
 *
 * An occasion is the end of a turn that other threads alone have caused. Who is woken by sockets would not have slept, and
 * batches would only become smaller. What promises wait for in this turn comes first: the thread watches in a microtask. What it
 * sees is handled at once, but after {@link IN_PLACE_MAX_MS} sockets have their turn.
 */
import { availableParallelism } from 'node:os';
import type { Turn } from '../lib/turn.js';
import { type Doorbell, SharedDoorbell } from './doorbell.js';
import type { Wires } from './wires.js';

/** The other side may have to be woken itself before it can answer. */
const WATCH_MAX_MS = 0.05;
const IN_PLACE_MAX_MS = 0.05;
const LEVEL_MAX = 10;
const RISE = 3;

/** A thread's. On a single core it would only keep from running whom it watches for, so there it sleeps at once. */
export function doorbellFor({ bells, self }: Wires, turn: Turn): Doorbell {
  const open = (wake: () => void): Doorbell => new SharedDoorbell(bells, self, wake);
  return availableParallelism() > 1 ? new WatchingDoorbell(turn, open) : open(() => turn.schedule());
}

export class WatchingDoorbell implements Doorbell {
  readonly #bell: Doorbell;
  /** Nothing but other threads has caused this turn. */
  #heard = false;
  #level = LEVEL_MAX;
  #passOver = 1 << LEVEL_MAX;
  /** 0 until something was seen. */
  #inPlaceUntil = 0;
  #closed = false;
  #hasWork: () => boolean = () => false;
  readonly #watch = (): void => this.#lookOut();

  /**
   * @param open  makes the doorbell by which the thread is woken when it does sleep.
   * @param now  milliseconds, with fractions.
   */
  constructor(
    private readonly turn: Pick<Turn, 'due' | 'schedule' | 'runNow'>,
    open: (wake: () => void) => Doorbell,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#bell = open(() => this.#turnSoon());
  }

  ring(slot: number): void {
    this.#bell.ring(slot);
  }

  arm(hasWork: () => boolean): void {
    const occasion = this.#heard;
    this.#heard = false;
    if (!occasion || --this.#passOver > 0) {
      this.#bell.arm(hasWork);
      return;
    }
    this.#hasWork = hasWork;
    Promise.resolve().then(this.#watch);
  }

  close(): void {
    this.#closed = true;
    this.#bell.close();
  }

  #turnSoon(): void {
    this.#heard = !this.turn.due;
    this.#inPlaceUntil = 0;
    this.turn.schedule();
  }

  #lookOut(): void {
    // A turn that is due arms again.
    if (this.#closed || this.turn.due) return;
    let now = this.now();
    const until = now + WATCH_MAX_MS;
    let came = this.#hasWork();
    while (!came && now < until) {
      came = this.#hasWork();
      now = this.now();
    }
    this.#level = came ? Math.max(this.#level - 1, 0) : Math.min(this.#level + RISE, LEVEL_MAX);
    this.#passOver = 1 << this.#level;
    if (came) this.#goOn(now);
    else this.#bell.arm(this.#hasWork);
  }

  #goOn(now: number): void {
    if (this.#inPlaceUntil === 0) this.#inPlaceUntil = now + IN_PLACE_MAX_MS;
    if (now >= this.#inPlaceUntil) {
      this.#turnSoon();
      return;
    }
    this.#heard = true;
    this.turn.runNow();
  }
}
