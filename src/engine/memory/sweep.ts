/** A map is gone through once in this many runs, however large it is. */
const SWEEP_RUNS = 60;
const SWEEP_MIN_ENTRIES = 256;

/**
 * Frees what expired and is not asked for any more: expiry itself is checked on every access, so this is only about
 * memory. Each run visits a part of the map and the next one goes on from there. That costs nothing per entry, where
 * timers or a queue by expiry would cost memory on every channel and work on every publish.
 */
export class Sweep<K, V> {
  #cursor: IterableIterator<[K, V]> | undefined;

  /** @param visit  may delete the key from the map, nothing else. */
  constructor(
    private readonly map: Map<K, V>,
    private readonly visit: (value: V, key: K, nowMs: number) => void,
  ) {}

  run(nowMs: number): void {
    let left = Math.max(SWEEP_MIN_ENTRIES, Math.ceil(this.map.size / SWEEP_RUNS));
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
