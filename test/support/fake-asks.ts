import type { Asks } from '../../src/mesh/asks.js';
import { errors } from '../../src/protocol/codes.js';

type Answer = (body: unknown, from: number) => unknown;

/** Threads of one process that ask each other by promise. Bodies go through JSON, as between real threads. */
export class FakeThreads {
  readonly asks: FakeAsks[];
  /** In the slot after the last worker. */
  readonly main: FakeAsks;
  /** Slots that do not answer. */
  readonly dead = new Set<number>();

  constructor(readonly workers = 1) {
    this.asks = Array.from({ length: workers }, (_, self) => new FakeAsks(this, self));
    this.main = new FakeAsks(this, workers);
  }
}

export class FakeAsks implements Asks {
  readonly #answers = new Map<string, Answer>();
  /** Questions asked, as `slot question`. */
  readonly asked: string[] = [];

  constructor(
    private readonly threads: FakeThreads,
    readonly self: number,
  ) {}

  get workers(): number {
    return this.threads.workers;
  }

  async ask(slot: number, question: string, body: unknown): Promise<unknown> {
    this.asked.push(`${slot} ${question}`);
    const { asks, main } = this.threads;
    const answer = (slot === this.workers ? main : asks[slot]!).#answers.get(question);
    if (answer === undefined || this.threads.dead.has(slot)) throw errors.internal;
    return copy(await answer(copy(body), this.self));
  }

  askWorkers(question: string, body: unknown): Promise<unknown[]> {
    return Promise.all(this.threads.asks.map((_, slot) => this.ask(slot, question, body)));
  }

  answer(question: string, handler: Answer): void {
    this.#answers.set(question, handler);
  }
}

function copy(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null));
}
