/** What this node says of itself. */
import type { NodeIdentity } from '../api/deps.js';
import type { NodeInfo } from '../api/info.js';
import type { InfoAnswer } from '../api/survey.js';
import type { Clock } from '../lib/clock.js';
import { countDistinct } from '../lib/distinct.js';
import type { Asks } from '../mesh/asks.js';

/** So short that a worker which hangs does not hold up the pings that keep this node in the cluster. */
const PATIENCE_MS = 1000;
/** Counting a million names may take a busy worker some seconds. */
const WORKER_DEADLINE_MS = 30_000;

export class OwnNode {
  /** By worker; what one that does not answer said last still counts. */
  readonly #answers: InfoAnswer[];
  /** Questions that are under way. */
  readonly #asked = new Map<number, Promise<void>>();

  /** @param clock  the system's, as in {@link NodeIdentity.startedAtMs}. */
  constructor(
    private readonly identity: NodeIdentity,
    private readonly asks: Pick<Asks, 'ask' | 'workers'>,
    private readonly clock: Clock,
  ) {
    const nothing: InfoAnswer = { numClients: 0, numSubscriptions: 0, users: [], channels: [] };
    this.#answers = new Array<InfoAnswer>(asks.workers).fill(nothing);
  }

  async info(): Promise<NodeInfo> {
    await Promise.race([Promise.all(this.#answers.map((_, slot) => this.#renew(slot))), longEnough()]);
    const { uid, name, version, startedAtMs } = this.identity;
    return {
      uid,
      name,
      version,
      numClients: this.#sum((answer) => answer.numClients),
      numUsers: countDistinct(this.#answers.map((answer) => answer.users)),
      numChannels: countDistinct(this.#answers.map((answer) => answer.channels)),
      numSubs: this.#sum((answer) => answer.numSubscriptions),
      uptimeSeconds: Math.max(0, Math.floor((this.clock.now() - startedAtMs) / 1000)),
    };
  }

  #renew(slot: number): Promise<void> {
    let asked = this.#asked.get(slot);
    if (asked === undefined) {
      asked = this.#ask(slot).finally(() => this.#asked.delete(slot));
      this.#asked.set(slot, asked);
    }
    return asked;
  }

  async #ask(slot: number): Promise<void> {
    try {
      this.#answers[slot] = (await this.asks.ask(slot, 'info', null, WORKER_DEADLINE_MS)) as InfoAnswer;
    } catch {
      // Hanging or being replaced, which the supervisor reports.
    }
  }

  #sum(of: (answer: InfoAnswer) => number): number {
    return this.#answers.reduce((total, answer) => total + of(answer), 0);
  }
}

const longEnough = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, PATIENCE_MS).unref();
  });
