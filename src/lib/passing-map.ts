/** The inner map is replaced after so many deletions, or as many as it has entries: at most one is copied for each … */
const RENEWED_AFTER_DELETIONS_MIN = 64;
/** … as long as it is no larger. Larger ones make few tables, for what lives longer. */
const RENEWED_MAX_ENTRIES = 4096;

/**
 * A map for what comes and goes all the time, such as connections.
 *
 * A Map makes a new table whenever as many entries have come as it has room for, however few are left, and V8 links the old
 * table to the new one. As soon as one of these tables has got to the old generation all that follow are kept alive by
 * it, dead as they are, with whatever was in them: most of what has passed through is copied by minor collections and is
 * only freed by major ones. An inner map that is replaced from time to time ends that chain.
 *
 * An iterator shows nothing that was deleted; of what came since it was made it may show some.
 */
export class PassingMap<K, V> {
  #map = new Map<K, V>();
  #deletions = 0;

  get size(): number {
    return this.#map.size;
  }

  get(key: K): V | undefined {
    return this.#map.get(key);
  }

  has(key: K): boolean {
    return this.#map.has(key);
  }

  set(key: K, value: V): void {
    this.#map.set(key, value);
  }

  delete(key: K): boolean {
    if (!this.#map.delete(key)) return false;
    const { size } = this.#map;
    if (++this.#deletions >= Math.max(size, RENEWED_AFTER_DELETIONS_MIN) && size <= RENEWED_MAX_ENTRIES) this.#renew();
    return true;
  }

  /** Not by the constructor, which makes an array of each entry. */
  #renew(): void {
    const renewed = new Map<K, V>();
    this.#map.forEach((value, key) => void renewed.set(key, value));
    this.#map = renewed;
    this.#deletions = 0;
  }

  *entries(): IterableIterator<[K, V]> {
    const map = this.#map;
    for (const entry of map) {
      if (map === this.#map) yield entry;
      else if (this.#map.has(entry[0])) yield [entry[0], this.#map.get(entry[0])!];
    }
  }

  *keys(): IterableIterator<K> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): IterableIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }
}
