/** First in, first out, without moving items and without a limit of its own. */
export class Fifo<T> {
  readonly #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head * 2 > this.#items.length) this.#compact();
    return item;
  }

  /** All of them, in order; it is empty then. */
  takeAll(): T[] {
    const items = this.#items.splice(0).slice(this.#head) as T[];
    this.#head = 0;
    return items;
  }

  /** When more than half is gone, so that it costs nothing on average. */
  #compact(): void {
    if (this.#head === this.#items.length) this.#items.length = 0;
    else if (this.#head < COMPACT_FROM) return;
    else this.#items.splice(0, this.#head);
    this.#head = 0;
  }
}

const COMPACT_FROM = 1024;
