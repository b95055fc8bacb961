/**
 * A cache of at most `2 × halfEntries` values that keeps what is in use without bookkeeping per hit: two generations,
 * of which the older is dropped whole when the younger is full. A hit in the older one moves the value over.
 */
export class BoundedCache<K, V> {
  readonly #halfEntries: number;
  #young = new Map<K, V>();
  #old = new Map<K, V>();

  constructor(halfEntries: number) {
    if (!(halfEntries >= 1)) throw new RangeError('halfEntries must be at least 1');
    this.#halfEntries = halfEntries;
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: K, value: V): void {
    if (this.#young.size >= this.#halfEntries && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  delete(key: K): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  /** Values held, counting a value once per generation it is in. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }
}
