/**
 * Requests that expect an answer: pairing replies with calls, and ending every call exactly once.
 *
 * A call ends with its reply, its failure, the deadline (100), or the death of the thread it was sent to (100). Open calls
 * stand in a table at their number modulo its size. A number whose place is taken is left out, so that a call which takes
 * long holds up no other.
 */
import { type ByteReader, ByteWriter } from '../lib/bytes.js';
import type { Clock } from '../lib/clock.js';
import { type ClientError, errors } from '../protocol/codes.js';
import type { Link } from './link.js';
import type { Mesh } from './mesh.js';
import { RecordKind } from './records.js';

/** From the first sweep that finds the call open: the clock is looked at once a sweep, not once a call. */
export const CALL_DEADLINE_MS = 5000;

/** Doubled whenever more than half of the places are taken. */
const PLACES_AT_FIRST = 64;

/** What waits for an answer. Exactly one of the two is called, once. */
export interface Pending {
  /** `result` is only valid during the call. */
  succeed(result: ByteReader): void;
  fail(error: ClientError): void;
}

interface Call {
  readonly id: number;
  readonly pending: Pending;
  readonly slot: number;
  /** Infinity: it has a timer of its own. */
  deadline: number;
}

/** No sweep has seen it. */
const NOT_YET = -1;

const byCode = new Map<number, ClientError>(Object.values(errors).map((error) => [error.code, error]));

export class Calls {
  #table: (Call | undefined)[] = new Array(PLACES_AT_FIRST).fill(undefined);
  #count = 0;
  readonly #scratch = new ByteWriter(1024);
  #lastId = 0;

  constructor(
    private readonly mesh: Mesh,
    private readonly clock: Clock,
  ) {
    mesh.on(RecordKind.reply, (record) => this.#take(record.u32le())?.succeed(record));
    mesh.on(RecordKind.failure, (record) => {
      const pending = this.#take(record.u32le());
      pending?.fail(byCode.get(record.u32le()) ?? errors.internal);
    });
    mesh.onReplaced((slot) => this.#failAll((call) => call.slot === slot));
  }

  /**
   * Open a call to `slot`.
   * @param deadlineMs  for the rare call that is not to have {@link CALL_DEADLINE_MS}.
   * @returns its number, to be put into the request.
   */
  open(slot: number, pending: Pending, deadlineMs?: number): number {
    if (++this.#count > this.#table.length / 2) this.#grow();
    do this.#lastId = (this.#lastId + 1) >>> 0;
    while (this.#table[this.#placeOf(this.#lastId)] !== undefined);
    const id = this.#lastId;
    const deadline = deadlineMs === undefined ? NOT_YET : Number.POSITIVE_INFINITY;
    this.#table[this.#placeOf(id)] = { id, pending, slot, deadline };
    if (deadlineMs !== undefined) setTimeout(() => this.#take(id)?.fail(errors.internal), deadlineMs).unref();
    return id;
  }

  /** Send the request of an open call; when the link refuses it, the call fails with 111. */
  request(slot: number, id: number, record: Uint8Array): void {
    if (!this.mesh.send(slot, record)) this.#take(id)?.fail(errors.tooManyRequests);
  }

  /**
   * Answer a call that `slot` made.
   * @param write  appends the result.
   * @param refusal  what the caller is told where the link has no room for the result.
   * @returns false in that case.
   */
  reply(
    slot: number,
    id: number,
    write: (out: ByteWriter) => void,
    refusal: ClientError = errors.tooManyRequests,
  ): boolean {
    write(this.beginReply(id));
    return this.endReply(slot, id, refusal);
  }

  /** {@link reply} in two steps, for the path of publications, where nothing is allocated that need not be. */
  beginReply(id: number): ByteWriter {
    const out = this.#scratch.reset();
    out.u8(RecordKind.reply);
    out.u32le(id);
    return out;
  }

  endReply(slot: number, id: number, refusal: ClientError): boolean {
    if (this.mesh.send(slot, this.#scratch.record())) return true;
    this.refuse(slot, id, refusal);
    return false;
  }

  /** A call that `slot` made, to be answered later. */
  ticket(slot: number, id: number): Ticket {
    return new Ticket(this, slot, id);
  }

  link(slot: number): Link {
    return this.mesh.link(slot);
  }

  refuse(slot: number, id: number, error: ClientError): void {
    const out = this.#scratch.reset();
    out.u8(RecordKind.failure);
    out.u32le(id);
    out.u32le(error.code);
    this.mesh.mustSend(slot, out.record());
  }

  /** Fail what is overdue. Called about twice a second. */
  sweep(): void {
    const now = this.clock.now();
    this.#failAll((call) => {
      if (call.deadline === NOT_YET) call.deadline = now + CALL_DEADLINE_MS;
      return call.deadline <= now;
    });
  }

  #take(id: number): Pending | undefined {
    const place = this.#placeOf(id);
    const call = this.#table[place];
    if (call?.id !== id) return undefined;
    this.#table[place] = undefined;
    this.#count--;
    return call.pending;
  }

  /** In no particular order. */
  #failAll(which: (call: Call) => boolean): void {
    for (const call of [...this.#table])
      if (call !== undefined && which(call)) this.#take(call.id)?.fail(errors.internal);
  }

  #grow(): void {
    const calls = this.#table;
    this.#table = new Array(calls.length * 2).fill(undefined);
    for (const call of calls) if (call !== undefined) this.#table[this.#placeOf(call.id)] = call;
  }

  /** The table's size is a power of two: numbers with different places have different places in a larger one. */
  #placeOf(id: number): number {
    return id & (this.#table.length - 1);
  }
}

/**
 * The right to answer a call, once. Where the caller was replaced meanwhile nothing is sent: its successor may have a call
 * of the same number.
 */
export class Ticket {
  readonly #link: Link;

  constructor(
    protected readonly calls: Calls,
    readonly slot: number,
    readonly id: number,
  ) {
    this.#link = calls.link(slot);
  }

  /** Whether the caller is still there. */
  get valid(): boolean {
    return this.calls.link(this.slot) === this.#link;
  }

  /** See {@link Calls.reply}. @returns false also where the caller is gone. */
  reply(write: (out: ByteWriter) => void, refusal?: ClientError): boolean {
    return this.valid && this.calls.reply(this.slot, this.id, write, refusal);
  }

  refuse(error: ClientError): void {
    if (this.valid) this.calls.refuse(this.slot, this.id, error);
  }
}

/** What a handler threw, as an error for the caller: codes as they are, anything else is internal. */
export function asClientError(thrown: unknown): ClientError {
  return byCode.get((thrown as Partial<ClientError> | null)?.code ?? 0) ?? errors.internal;
}
