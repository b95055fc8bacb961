/**
 * Work put off to the end of the current turn of the event loop, so that everything which became ready in one turn
 * leaves together. `setImmediate` runs right after the poll phase in which sockets and doorbells were served.
 */

export interface Flushable {
  flush(): void;
}

/** One thing to be done at the end of a turn, at most once a turn however often it was asked for. */
export class Turn {
  #touched: Flushable[] = [];
  #spare: Flushable[] = [];
  #scheduled = false;
  readonly #run: () => void;

  /**
   * @param rounds  called around the touched items at the end of every turn in which something was scheduled: `before`
   *   may touch more items, `after` sees them flushed and may schedule another run.
   */
  constructor(
    private readonly rounds: { before(): void; after(): void },
    private readonly defer: (run: () => void) => void = setImmediate,
  ) {
    this.#run = () => this.runNow();
  }

  /** A run was asked for and is still to come, or has not got to its end. */
  get due(): boolean {
    return this.#scheduled;
  }

  /** Flush `item` at the end of this turn. The caller touches an item once a turn: it remembers that it did. */
  touch(item: Flushable): void {
    this.#touched.push(item);
    this.schedule();
  }

  /** Run the rounds at the end of this turn even if nothing is touched. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.defer(this.#run);
  }

  /** The end of the turn. Items touched by a flush are flushed in the same run. */
  runNow(): void {
    this.#scheduled = true;
    try {
      this.rounds.before();
      while (this.#touched.length > 0) this.#flushTouched();
    } finally {
      // What is asked for from here on, `after` included, this run cannot serve any more.
      this.#scheduled = false;
      if (this.#touched.length > 0) this.schedule();
    }
    this.rounds.after();
  }

  #flushTouched(): void {
    const items = this.#touched;
    this.#touched = this.#spare;
    this.#spare = items;
    let done = 0;
    try {
      for (; done < items.length; done++) items[done]!.flush();
    } finally {
      // After a throw the rest still gets its turn: nothing that was written is forgotten.
      for (let i = done + 1; i < items.length; i++) this.#touched.push(items[i]!);
      items.length = 0;
    }
  }
}
