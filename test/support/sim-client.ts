/** A subscriber that counts as an SDK does, and objects to everything the recovery promise forbids. */
import { applyDelta } from 'fossil-delta';
import { Member, type SubscribeAck, type Subscriber } from '../../src/channels/channels.js';
import { compileFilter, type TagsFilter } from '../../src/channels/filter.js';
import { decoded, ENTRY_DELTA, ENTRY_JSON, encodeEntry } from '../../src/protocol/entry.js';
import { jsonCodec } from '../../src/protocol/json.js';
import type { Cluster, SimThread } from './cluster.js';

interface Published {
  readonly payload: string;
  readonly tags: Record<string, string>;
}

/** What was really published, by epoch and offset. */
export class Truth {
  readonly #published = new Map<string, Published>();

  #sequence = 0;

  publish(thread: SimThread, channel: string, padding: number): void {
    const n = this.#sequence++;
    const payload = JSON.stringify({ n, pad: 'é'.repeat(padding) });
    const tags = { parity: n % 2 === 0 ? 'even' : 'odd' };
    const entry = encodeEntry({ data: Buffer.from(payload), tags }, ENTRY_JSON | ENTRY_DELTA);
    const call = { skipHistory: false, idempotencyKey: '', version: 0, versionEpoch: '', delta: true };
    thread.edge.publish(channel, entry, call, (error, result) => {
      if (error === null) this.#published.set(`${channel} ${result!.epoch} ${result!.offset}`, { payload, tags });
    });
  }

  /** Whether `payload` may be at this place: by what publishers heard, unless a server knows better. */
  isAt = (channel: string, epoch: string, offset: number, payload: string): boolean => {
    const real = this.at(channel, epoch, offset)?.payload;
    return real === undefined || real === payload;
  };

  /**
   * What must have been seen right before publication `n` by whoever saw what came before it in the stream; undefined
   * where that is not known. Servers that may lose the end of a stream tell.
   */
  predecessor: (n: number) => number | undefined = () => undefined;

  /** Undefined where the publisher did not hear of it (its thread died, or the answer was lost). */
  at(channel: string, epoch: string, offset: number): Published | undefined {
    return this.#published.get(`${channel} ${epoch} ${offset}`);
  }
}

const even = compileFilter({ op: '', key: 'parity', cmp: 'eq', val: 'even', vals: [], nodes: [] });

export interface Wishes {
  readonly delta?: boolean;
  readonly filtered?: boolean;
  /** False for a client that goes on where it should not. */
  readonly heedsInsufficientState?: boolean;
}

export class SimClient implements Subscriber {
  readonly codec = jsonCodec;
  readonly unidirectional = false;
  readonly violations: string[] = [];
  member: (Member & { readonly owner: SimClient }) | undefined;
  live = false;
  closed = false;
  offset = 0;
  #base: Buffer = Buffer.alloc(0);
  readonly #filter: TagsFilter | undefined;
  epoch: string | undefined;
  delivered = 0;
  patches = 0;
  resets = 0;
  insufficient = 0;
  /** Of the publication received last, as long as the stream goes on from it. */
  #last: number | undefined;
  thread: SimThread;

  constructor(
    readonly channel: string,
    cluster: Cluster,
    private readonly truth: Truth,
    private readonly wishes: Wishes = {},
  ) {
    this.#filter = wishes.filtered ? even : undefined;
    this.thread = cluster.threads[0]!;
  }

  /** Connect somewhere and subscribe from where it was. */
  connect(thread: SimThread): void {
    this.thread = thread;
    this.closed = false;
    const member = new SimMember(this, this.channel);
    this.member = member;
    this.live = false;
    const since = this.epoch === undefined ? undefined : { offset: this.offset, epoch: this.epoch };
    thread.edge.subscribe(
      member,
      {
        positioned: true,
        joinLeave: false,
        delta: this.wishes.delta === true,
        filter: this.#filter,
        recover: since && { since, mode: 'stream' },
        rejectUnrecovered: false,
      },
      (error, ack) => {
        if (this.member !== member) return;
        if (error !== null) this.disconnect();
        else this.#acknowledged(ack!);
      },
    );
  }

  disconnect(): void {
    const { member } = this;
    this.member = undefined;
    this.live = false;
    if (member && !this.thread.dead) this.thread.edge.unsubscribe(member);
  }

  needsConnection(): boolean {
    return this.member === undefined || this.thread.dead;
  }

  ready(): boolean {
    return true;
  }

  send(frame: Uint8Array): void {
    this.write(frame);
  }

  write(frame: Uint8Array): void {
    if (this.member === undefined) return;
    if (!this.live) {
      this.violations.push('a frame before the acknowledgement');
      return;
    }
    for (const line of Buffer.from(frame).toString().split('\n')) {
      const { pub } = (JSON.parse(line) as { push: { pub: { offset: number; data: unknown; delta?: boolean } } }).push;
      const data = this.wishes.delta ? Buffer.from(pub.data as string) : Buffer.from(JSON.stringify(pub.data));
      this.#received(pub.offset, data, pub.delta === true);
    }
  }

  inappropriate(): void {
    this.violations.push('a payload that is not JSON');
  }

  lost(): void {
    this.insufficient++;
    if (this.wishes.heedsInsufficientState !== false) this.disconnect();
  }

  #acknowledged(ack: SubscribeAck): void {
    this.live = true;
    if (ack.recovered) {
      // As text, which is how a JSON connection carries it.
      for (const { offset, data, delta } of decoded(ack.publications))
        this.#received(offset, Buffer.from(Buffer.from(data).toString()), delta === true);
      if (this.#filter === undefined && this.offset !== ack.offset)
        this.violations.push(`recovered up to ${this.offset}, the top is ${ack.offset}`);
      return;
    }
    if (this.epoch !== undefined) this.resets++;
    this.#last = undefined;
    this.offset = ack.offset;
    this.epoch = ack.epoch;
  }

  #received(offset: number, data: Buffer, isDelta: boolean): void {
    this.#follows(offset);
    this.#base = isDelta ? this.#patched(data) : data;
    if (isDelta) this.patches++;
    if (!this.truth.isAt(this.channel, this.epoch!, offset, this.#base.toString()))
      this.violations.push(`${this.channel}: wrong payload at ${offset}`);
    this.#comesAfter(offset);
    this.offset = offset;
    this.delivered++;
  }

  /** The next one, or the next one that the filter matches. */
  #follows(offset: number): void {
    const skips = this.#filter === undefined ? offset - this.offset - 1 : 0;
    if (offset <= this.offset || skips > 0) this.violations.push(`${this.channel}: ${offset} after ${this.offset}`);
    for (let missing = this.offset + 1; missing < offset; missing++) {
      const tags = this.truth.at(this.channel, this.epoch!, missing)?.tags;
      if (tags !== undefined && this.#filter?.matches(tags))
        this.violations.push(`${this.channel}: ${missing} is missing`);
    }
  }

  /** Offsets may go on where publications do not: the end of a stream may have been lost and replaced. */
  #comesAfter(offset: number): void {
    const { n } = JSON.parse(this.#base.toString()) as { n: number };
    const before = this.truth.predecessor(n);
    if (this.#filter === undefined && this.#last !== undefined && before !== undefined && before !== this.#last)
      this.violations.push(`${this.channel}: what was published before ${offset} was replaced unnoticed`);
    this.#last = n;
  }

  #patched(patch: Buffer): Buffer {
    try {
      return Buffer.from(applyDelta(this.#base, patch));
    } catch (error) {
      this.violations.push(`${this.channel}: ${String(error)}`);
      return this.#base;
    }
  }
}

class SimMember extends Member {
  constructor(
    readonly owner: SimClient,
    channel: string,
  ) {
    super(owner, channel);
  }
  insufficientState(): void {
    this.owner.lost();
  }
}
