const SWEEP_RUNS = 60;
const SWEEP_MIN_ENTRIES = 256;

/**
 * Visits a whole map bit by bit: each run a part of it, from where the last one stopped. For what has to be looked at now and
 * then (has it expired, does it stand still). It costs nothing per entry, where timers or a queue would cost memory on
 * every entry and work on every use.
 */
export class Sweep<K, V> {
  #cursor: IterableIterator<[K, V]> | undefined;

  /**
   * @param visit  may delete the key from the map, nothing else.
   * @param runs  the map is gone through once in this many, however large it is.
   * @param minEntries  visited in each run, if there are as many.
   */
  constructor(
    private readonly map: Pick<ReadonlyMap<K, V>, 'size' | 'entries'>,
    private readonly visit: (value: V, key: K, nowMs: number) => void,
    private readonly runs = SWEEP_RUNS,
    private readonly minEntries = SWEEP_MIN_ENTRIES,
  ) {}

  run(nowMs: number): void {
    let left = Math.max(this.minEntries, Math.ceil(this.map.size / this.runs));
    this.#cursor ??= this.map.entries();
    for (; left > 0; left--) {
      const next = this.#cursor.next();
      if (next.done) {
        this.#cursor = undefined;
        return;
      }
      this.visit(next.value[1], next.value[0], nowMs);
    }
  }
}
