/**
 * A hashed timer wheel: hundreds of thousands of deadlines, of which most are moved or cancelled before they come.
 *
 *   slots      0     1     2     …    slots-1          an entry due in tick t waits in slot t mod slots
 *            ┌─────┬─────┬─────┬─────┬─────┐
 *            │  ○  │  ○  │  ○  │     │  ○  │           ○ head of a ring of entries, doubly linked
 *            └──┼──┴─────┴──┼──┴─────┴─────┘
 *               ▼           ▼         ▲ current tick: its slot is looked through once a turn of the wheel;
 *             entries     entries       what is due in a later turn stays
 *
 * Links are fields of the entries, so scheduling, moving and cancelling take constant time and allocate nothing.
 */

/** Something with one deadline. The fields belong to the wheel. */
export abstract class TimerEntry {
  tick = 0;
  /** null while not scheduled. */
  before: TimerEntry | null = null;
  after: TimerEntry | null = null;

  /** The deadline has come. May schedule or cancel any entry, this one included. */
  abstract expire(): void;
}

class Ring extends TimerEntry {
  constructor() {
    super();
    this.before = this;
    this.after = this;
  }

  get first(): TimerEntry | null {
    return this.after === this ? null : this.after;
  }

  append(entry: TimerEntry): void {
    const last = this.before!;
    entry.before = last;
    entry.after = this;
    last.after = entry;
    this.before = entry;
  }

  override expire(): void {}
}

function unlink(entry: TimerEntry): void {
  entry.before!.after = entry.after;
  entry.after!.before = entry.before;
  entry.before = null;
  entry.after = null;
}

/** A tick later than all others. It is a small integer as they are, which an object holds without a number beside it. */
export const NEVER = 2 ** 31 - 1;

export interface TimerWheelOptions {
  /** Start, in the same time as deadlines are given in. */
  now: number;
  /** Deadlines come up to this much late, never early. */
  granularityMs?: number;
  /** A power of two. One turn is `slots × granularityMs`; deadlines further away cost a look per turn. */
  slots?: number;
}

export class TimerWheel {
  readonly granularityMs: number;
  readonly #startMs: number;
  readonly #mask: number;
  readonly #slots: Ring[];
  /** Taken from the slots, not yet expired. Outlives an `expire` that throws. */
  readonly #due = new Ring();
  /** Counted from the start, so that it stays a small integer: for seven years of tenths of a second. */
  #tick = 0;
  #size = 0;
  /** Set while it runs with real time. */
  #clock: { now(): number } | undefined;
  #alarm: NodeJS.Timeout | undefined;
  /** What the alarm is set for. Infinity without one; 0, which is before every deadline, while time advances. */
  #alarmTick = Number.POSITIVE_INFINITY;

  constructor({ now, granularityMs = 100, slots = 1024 }: TimerWheelOptions) {
    if (!(granularityMs >= 1)) throw new RangeError('granularityMs must be at least 1');
    if (slots < 2 || (slots & (slots - 1)) !== 0) throw new RangeError('slots must be a power of two');
    this.granularityMs = granularityMs;
    this.#startMs = now;
    this.#mask = slots - 1;
    this.#slots = Array.from({ length: slots }, () => new Ring());
  }

  /** Entries scheduled. */
  get size(): number {
    return this.#size;
  }

  /** The tick whose entries expire, while they do. */
  get tick(): number {
    return this.#tick;
  }

  /** The first tick not before `atMs`; 0 for all times before the start. */
  tickAt(atMs: number): number {
    const tick = Math.ceil((atMs - this.#startMs) / this.granularityMs);
    return Math.min(Math.max(tick, 0), NEVER) | 0;
  }

  /**
   * Have `entry.expire()` called once, in the first {@link advance} to a time not before `atMs`, rounded up to the
   * granularity. Replaces the entry's earlier deadline. One in the past comes with the next tick.
   */
  schedule(entry: TimerEntry, atMs: number): void {
    this.scheduleTick(entry, this.tickAt(atMs));
  }

  scheduleTick(entry: TimerEntry, at: number): void {
    const tick = Math.max(at, this.#tick + 1);
    if (entry.before === null) this.#size++;
    else unlink(entry);
    entry.tick = tick;
    this.#slots[tick & this.#mask]!.append(entry);
    // A turn ahead at most: timers of the runtime cannot wait for weeks.
    if (tick < this.#alarmTick) this.#setAlarm(Math.min(tick, this.#tick + this.#slots.length));
  }

  /** Nothing happens if the entry is not scheduled. */
  cancel(entry: TimerEntry): void {
    if (entry.before === null) return;
    unlink(entry);
    this.#size--;
  }

  /**
   * Expire what is due at `now`, tick by tick; entries of one tick in the order in which they were scheduled. A clock
   * that steps back does nothing until it has caught up. Not to be called from `expire`.
   */
  advance(now: number): void {
    this.#expireDue();
    const target = Math.floor((now - this.#startMs) / this.granularityMs);
    // After a long sleep every slot is looked at once, not once per turn that was missed.
    if (target - this.#tick > this.#slots.length) this.#tick = target - this.#slots.length;
    while (this.#tick < target) {
      this.#tick++;
      this.#collect(this.#slots[this.#tick & this.#mask]!);
      this.#expireDue();
    }
  }

  /**
   * Advance with real time, until the returned function is called. Only for what is due: a wheel that waits for nothing
   * wakes nobody. A clock that leaps ahead is noticed with the next deadline.
   */
  run(clock: { now(): number }): () => void {
    this.#clock = clock;
    this.#alarmTick = Number.POSITIVE_INFINITY;
    this.#setNextAlarm();
    return () => {
      clearTimeout(this.#alarm);
      this.#clock = undefined;
    };
  }

  #setAlarm(tick: number): void {
    if (this.#clock === undefined) return;
    clearTimeout(this.#alarm);
    this.#alarmTick = tick;
    this.#alarm = setTimeout(() => this.#ring(), this.#startMs + tick * this.granularityMs - this.#clock.now());
  }

  #ring(): void {
    this.#alarmTick = 0;
    try {
      this.advance(this.#clock!.now());
    } finally {
      this.#alarmTick = Number.POSITIVE_INFINITY;
      this.#setNextAlarm();
    }
  }

  /** For the next slot with entries, though they may be for a later turn of the wheel. */
  #setNextAlarm(): void {
    if (this.#size === 0) return;
    let tick = this.#tick + 1;
    // What is taken from the slots but not expired was due when something else was thrown.
    if (this.#due.first === null) while (this.#slots[tick & this.#mask]!.first === null) tick++;
    this.#setAlarm(tick);
  }

  #collect(slot: Ring): void {
    let entry = slot.first;
    while (entry !== null) {
      const next: TimerEntry | null = entry.after === slot ? null : entry.after;
      if (entry.tick <= this.#tick) {
        unlink(entry);
        this.#due.append(entry);
      }
      entry = next;
    }
  }

  #expireDue(): void {
    for (let entry = this.#due.first; entry !== null; entry = this.#due.first) {
      unlink(entry);
      this.#size--;
      entry.expire();
    }
  }
}
