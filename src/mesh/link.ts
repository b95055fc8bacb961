/**
 * The sending half of a wire: where the full-ring rule lives.
 *
 * - `send` may be refused. Nothing was written then, and the caller answers 111 or marks the loss.
 * - `mustSend` is for what may not be refused (loss marks, detachments, replies). What does not fit waits in `owed`, in
 *   order; while anything waits, `send` refuses, so that nothing overtakes it.
 * - `owed` is bounded too. When it overflows, what it holds is dropped and the peer gets one OVERFLOW record, on which it
 *   treats everything it has from this slot as lost. That is honest, bounded, and rare: it takes a thread that stands
 *   still while hundreds of thousands of its channels are acted on.
 *
 * Records above `inlineMaxBytes` travel by message port and leave a marker in the ring. The marker keeps their place in
 * the order: the message was posted before the marker became visible, so the consumer finds it there.
 */
import { RingWriter } from '../lib/ring.js';
import { RecordKind } from './records.js';
import type { WireEnd } from './wires.js';

/** Bytes that may be under way by message port on one link. */
export const OVERSIZE_MAX_BYTES = 64 << 20;
export const OWED_MAX_BYTES = 4 << 20;
/** Bookkeeping of one waiting record, counted so that many small ones are bounded as well. */
const OWED_RECORD_BYTES = 64;

const OVERSIZE_MARKER = Uint8Array.of(RecordKind.oversize);
const OVERFLOW_RECORD = Uint8Array.of(RecordKind.overflow);

/** What there is for the consumer now: something that it should be woken for, or that it reads when it is awake anyway. */
export const SHOWN = { nothing: 0, something: 1, urgent: 2 } as const;

export interface LinkCounters {
  refused: number;
  owed: number;
  overflows: number;
}

export class Link {
  readonly #ring: RingWriter;
  readonly #oversizeBytes: Int32Array;
  readonly #inlineMaxBytes: number;
  #owed: Uint8Array[] = [];
  #owedBytes = 0;
  /** Something was sent that the consumer should be woken for. */
  #urgent = false;
  /** Changes whenever `owed` has been emptied: a loss marked in an earlier epoch has been told. */
  owedEpoch = 1;
  readonly counters: LinkCounters = { refused: 0, owed: 0, overflows: 0 };

  constructor(private readonly end: WireEnd) {
    this.#ring = new RingWriter(end.ring);
    this.#oversizeBytes = new Int32Array(end.oversizeBytes);
    this.#inlineMaxBytes = this.#ring.capacityBytes >>> 3;
  }

  get owes(): boolean {
    return this.#owed.length > 0;
  }

  send(record: Uint8Array): boolean {
    this.#urgent = true;
    if (this.#owed.length === 0 && this.#write(record)) return true;
    this.counters.refused++;
    return false;
  }

  /** @param urgent  false: it is enough if the consumer finds it when it is awake anyway. */
  mustSend(record: Uint8Array, urgent = true): void {
    this.#urgent ||= urgent;
    if (this.#owed.length === 0 && this.#write(record)) return;
    this.counters.owed++;
    const bytes = record.length + OWED_RECORD_BYTES;
    if (this.#owedBytes + bytes > OWED_MAX_BYTES) {
      this.#overflow();
      return;
    }
    this.#owed.push(Buffer.from(record));
    this.#owedBytes += bytes;
  }

  /** Hand over what waits, then show everything to the consumer. */
  publish(): (typeof SHOWN)[keyof typeof SHOWN] {
    if (this.#owed.length > 0) {
      this.#urgent = true;
      this.#payOwed();
    }
    const shown = this.#ring.publish() ? SHOWN.something : SHOWN.nothing;
    if (!this.#urgent) return shown;
    this.#urgent = false;
    // Also where nothing went in: then the ring is full, perhaps of what nobody was woken for.
    return SHOWN.urgent;
  }

  #write(record: Uint8Array): boolean {
    if (record.length > this.#inlineMaxBytes) return this.#writeOversize(record);
    return this.#ring.write(record);
  }

  #writeOversize(record: Uint8Array): boolean {
    if (Atomics.load(this.#oversizeBytes, 0) + record.length > OVERSIZE_MAX_BYTES) return false;
    if (!this.#ring.write(OVERSIZE_MARKER)) return false;
    const copy = new Uint8Array(record);
    Atomics.add(this.#oversizeBytes, 0, copy.length);
    this.end.port.postMessage(copy.buffer, [copy.buffer]);
    return true;
  }

  #payOwed(): void {
    let paid = 0;
    while (paid < this.#owed.length && this.#write(this.#owed[paid]!)) {
      this.#owedBytes -= this.#owed[paid]!.length + OWED_RECORD_BYTES;
      paid++;
    }
    if (paid === 0) return;
    this.#owed = this.#owed.slice(paid);
    if (this.#owed.length === 0) this.owedEpoch++;
  }

  #overflow(): void {
    this.counters.overflows++;
    this.#owed = [OVERFLOW_RECORD];
    this.#owedBytes = OVERFLOW_RECORD.length + OWED_RECORD_BYTES;
    // What was marked as owed is no longer: it must be possible to owe it again.
    this.owedEpoch++;
  }

  close(): void {
    this.end.port.close();
  }
}
