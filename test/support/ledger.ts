/**
 * What publishers and subscribers were told of streams, and every contradiction in it:
 *
 *   - a subscriber sees offset N+1 after N, unless it was told in between that it has not recovered;
 *   - whoever says anything of an offset of an epoch says the same: publishers of what was acknowledged, subscribers of
 *     what came, history of what is kept;
 *   - a publication has one offset in an epoch, however often its publisher had to ask.
 *
 * A subscriber that has come to the end of a stream without a contradiction thus has everything that was acknowledged
 * since it was told last.
 */
import type { StreamPosition } from '../../src/protocol/messages.js';
import type { SdkClient } from './sdk.js';

export class Ledger {
  readonly contradictions: string[] = [];
  readonly #contents = new Map<string, { content: string; witness: string }>();
  readonly #offsets = new Map<string, number>();

  /** `witness` was told that `content`, which its publisher published once, has this place. */
  record(witness: string, channel: string, { offset, epoch }: StreamPosition, content: string): void {
    const stream = `${channel} ${epoch}`;
    const known = this.#contents.get(`${stream} ${offset}`);
    if (known === undefined) this.#contents.set(`${stream} ${offset}`, { content, witness });
    else if (known.content !== content) {
      this.contradict(`${stream} ${offset}: ${content} to ${witness}, ${known.content} to ${known.witness}`);
    }
    const former = this.#offsets.get(`${stream} ${content}`);
    if (former === undefined) this.#offsets.set(`${stream} ${content}`, offset);
    else if (former !== offset) this.contradict(`${stream}: ${content} is ${former} and ${offset}`);
  }

  contradict(text: string): void {
    this.contradictions.push(text);
  }

  /** Number of places that somebody was told of. */
  get size(): number {
    return this.#contents.size;
  }
}

/** One subscription of the official client; publications are `{ id: string, … }`. */
export class Reader {
  /** How often it was told that it has not recovered. */
  resets = 0;
  readonly #name: string;
  #position: StreamPosition | undefined;

  constructor(
    client: SdkClient,
    readonly channel: string,
    private readonly ledger: Ledger,
    options: { delta?: 'fossil' } = {},
  ) {
    this.#name = `${client.flavour.name} reader`;
    const { subscription } = client.subscription(channel, options);
    subscription.on('subscribed', ({ recovered, streamPosition }) => this.#subscribed(recovered, streamPosition!));
    subscription.on('publication', ({ data, offset }) => {
      this.#received(offset!, (client.flavour.decode(data) as { id: string }).id);
    });
    subscription.subscribe();
  }

  isAt({ offset, epoch }: StreamPosition): boolean {
    return this.#position?.offset === offset && this.#position.epoch === epoch;
  }

  toString(): string {
    return `${this.#name} of ${this.channel} at ${this.#position?.offset} of ${this.#position?.epoch}`;
  }

  #subscribed(recovered: boolean, position: StreamPosition): void {
    if (recovered && position.epoch !== this.#position?.epoch) {
      this.ledger.contradict(`${this}: recovered in ${position.epoch}`);
    }
    if (recovered) return;
    if (this.#position !== undefined) this.resets++;
    this.#position = position;
  }

  #received(offset: number, content: string): void {
    const { offset: former, epoch } = this.#position!;
    if (offset !== former + 1) this.ledger.contradict(`${this}: ${offset} comes after it`);
    this.#position = { offset, epoch };
    this.ledger.record(this.#name, this.channel, this.#position, content);
  }
}
