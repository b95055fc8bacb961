/**
 * A cache of at most `2 × halfWeight` that keeps what is in use without bookkeeping per hit: two generations,
 * of which the older is dropped whole when the younger is full. A hit in the older one moves the value over.
 */
export class BoundedCache<K, V> {
  #young = new Map<K, V>();
  #youngWeight = 0;
  #old = new Map<K, V>();

  /** @param weigh  a value; as it stands each weighs 1, so that weights are numbers of entries. */
  constructor(
    private readonly halfWeight: number,
    private readonly weigh: (value: V) => number = () => 1,
  ) {
    if (!(halfWeight >= 1)) throw new RangeError('halfWeight must be at least 1');
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  /** A value that weighs more than half of it all is not kept. */
  set(key: K, value: V): void {
    this.delete(key);
    const weight = this.weigh(value);
    if (weight > this.halfWeight) return;
    if (this.#youngWeight + weight > this.halfWeight) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngWeight = 0;
    }
    this.#young.set(key, value);
    this.#youngWeight += weight;
  }

  delete(key: K): void {
    const young = this.#young.get(key);
    if (young !== undefined) this.#youngWeight -= this.weigh(young);
    this.#young.delete(key);
    this.#old.delete(key);
  }

  /** Values held, counting a value once per generation it is in. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }
}
