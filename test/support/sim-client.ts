/** A subscriber that counts as an SDK does, and objects to everything the recovery promise forbids. */
import { Member, type SubscribeAck, type Subscriber } from '../../src/channels/channels.js';
import { ENTRY_JSON, encodeEntry } from '../../src/protocol/entry.js';
import { jsonCodec } from '../../src/protocol/json.js';
import type { Cluster, SimThread } from './cluster.js';

/** What was really published: payload by epoch and offset. */
export class Truth {
  readonly #payloads = new Map<string, string>();
  readonly tops = new Map<string, { offset: number; epoch: string }>();
  #sequence = 0;

  publish(thread: SimThread, channel: string, padding: number): void {
    const payload = JSON.stringify({ n: this.#sequence++, pad: 'x'.repeat(padding) });
    const entry = encodeEntry({ data: Buffer.from(payload) }, ENTRY_JSON);
    const call = { skipHistory: false, idempotencyKey: '', version: 0, versionEpoch: '', delta: false };
    thread.edge.publish(channel, entry, call, (error, result) => {
      if (error === null) this.#payloads.set(`${channel} ${result!.epoch} ${result!.offset}`, payload);
    });
  }

  /** Undefined where the publisher did not hear of it (its thread died, or the answer was lost). */
  payload(channel: string, epoch: string, offset: number): string | undefined {
    return this.#payloads.get(`${channel} ${epoch} ${offset}`);
  }
}

export class SimClient implements Subscriber {
  readonly codec = jsonCodec;
  readonly unidirectional = false;
  readonly violations: string[] = [];
  member: (Member & { readonly owner: SimClient }) | undefined;
  live = false;
  closed = false;
  offset = 0;
  epoch: string | undefined;
  delivered = 0;
  resets = 0;
  insufficient = 0;
  thread: SimThread;

  constructor(
    readonly channel: string,
    cluster: Cluster,
    private readonly truth: Truth,
    private readonly heedsInsufficientState = true,
  ) {
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
        delta: false,
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

  write(frame: Uint8Array): void {
    if (this.member === undefined) return;
    if (!this.live) {
      this.violations.push('a frame before the acknowledgement');
      return;
    }
    for (const line of Buffer.from(frame).toString().split('\n')) {
      const { pub } = (JSON.parse(line) as { push: { pub: { offset: number; data: unknown } } }).push;
      this.#received(pub.offset, JSON.stringify(pub.data));
    }
  }

  inappropriate(): void {
    this.violations.push('a payload that is not JSON');
  }

  lost(): void {
    this.insufficient++;
    if (this.heedsInsufficientState) this.disconnect();
  }

  #acknowledged(ack: SubscribeAck): void {
    this.live = true;
    if (ack.recovered) {
      for (const pub of ack.publications) this.#received(pub.offset, Buffer.from(pub.data).toString());
      if (this.offset !== ack.offset) this.violations.push(`recovered up to ${this.offset}, the top is ${ack.offset}`);
      return;
    }
    if (this.epoch !== undefined) this.resets++;
    this.offset = ack.offset;
    this.epoch = ack.epoch;
  }

  #received(offset: number, payload: string): void {
    if (offset !== this.offset + 1) this.violations.push(`${this.channel}: ${offset} after ${this.offset}`);
    const real = this.truth.payload(this.channel, this.epoch!, offset);
    if (real !== undefined && real !== payload) this.violations.push(`${this.channel}: wrong payload at ${offset}`);
    this.offset = offset;
    this.delivered++;
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
