import { type ClientError, errors } from '../../protocol/codes.js';
import type { StreamPosition } from '../../protocol/messages.js';
import type { Broker } from '../engine.js';

const WAITING_MAX_OPERATIONS = 1000;
const WAITING_MAX_BYTES = 1 << 20;

/** Something to be done with a channel's stream. */
export interface Operation {
  /** Memory it takes while it waits. */
  readonly bytes: number;
  readonly idempotencyKey: string;
  readonly idempotencyTtlMs: number;
  /** @param ended  called once, with true when the stream was fenced: then nothing was done nor answered. */
  run(broker: Broker, ended: (moved: boolean) => void): void;
  /** It was done before the channel moved, with this result. */
  repeated(result: StreamPosition): void;
  fail(error: ClientError): void;
}

/** What the channels of a {@link MovingBroker} share. The promises reject with a {@link ClientError} when a shard is away. */
export interface MovingHost {
  readonly before: Broker;
  readonly now: Broker;
  /** Whether the old shard is still to be used. */
  readonly oldNodesPresent: boolean;
  /** Find the shard that is to be used now; carries the channel over where that has to be done. */
  find(channel: string): Promise<'old' | 'new'>;
  /** At the old shard. */
  resultOf(channel: string, idempotencyKey: string): Promise<StreamPosition | undefined>;
  /** ms, never set back. */
  clock(): number;
}

/** Where operations on one channel's stream go, and those that wait until that is known. */
export class MovingChannel {
  #place: 'unknown' | 'old' | 'new' = 'unknown';
  /** When it turned out to be new. */
  #newSinceMs = 0;
  /** It is being looked for or carried over, or an operation must be first: others wait. */
  #busy = false;
  #waiting: Operation[] = [];
  #waitingBytes = 0;
  /** Operations at the old shard. */
  #underWay = 0;
  /** Those of them that met the fence, in their order. */
  #turnedBack: Operation[] = [];

  constructor(
    private readonly name: string,
    private readonly host: MovingHost,
  ) {}

  get idle(): boolean {
    return !this.#busy && this.#underWay === 0;
  }

  submit(operation: Operation): void {
    const bytes = this.#waitingBytes + operation.bytes;
    if (!this.#busy) {
      this.#start(operation);
    } else if (this.#waiting.length >= WAITING_MAX_OPERATIONS || bytes > WAITING_MAX_BYTES) {
      operation.fail(errors.tooManyRequests);
    } else {
      this.#waitingBytes = bytes;
      this.#waiting.push(operation);
    }
  }

  #start(operation: Operation): void {
    if (this.#place === 'new') {
      this.#startAtNew(operation);
    } else if (this.#place === 'old' && this.host.oldNodesPresent) {
      this.#underWay++;
      operation.run(this.host.before, (moved) => this.#endedAtOld(operation, moved));
    } else {
      this.#waitingBytes += operation.bytes;
      this.#waiting.unshift(operation);
      this.#busy = true;
      this.#findWhenQuiet();
    }
  }

  #endedAtOld(operation: Operation, moved: boolean): void {
    this.#underWay--;
    if (moved) {
      this.#turnedBack.push(operation);
      this.#busy = true;
    }
    if (this.#busy) this.#findWhenQuiet();
  }

  /** Not before everything under way has ended: what meets the fence there must not be overtaken. */
  #findWhenQuiet(): void {
    if (this.#underWay > 0) return;
    for (const { bytes } of this.#turnedBack) this.#waitingBytes += bytes;
    this.#waiting = [...this.#turnedBack, ...this.#waiting];
    this.#turnedBack = [];
    this.host.find(this.name).then(
      (place) => {
        if (place === 'new') this.#newSinceMs = this.host.clock();
        this.#place = place;
        this.#resume();
      },
      (error: ClientError) => this.#failAll(error),
    );
  }

  #startAtNew(operation: Operation): void {
    const { now, clock, resultOf } = this.host;
    // Whoever meets a fence here would need a newer configuration.
    const run = (): void => operation.run(now, (moved) => moved && operation.fail(errors.internal));
    const { idempotencyKey, idempotencyTtlMs } = operation;
    if (idempotencyKey === '' || clock() - this.#newSinceMs > idempotencyTtlMs) {
      run();
      return;
    }
    this.#busy = true;
    resultOf(this.name, idempotencyKey)
      .then(
        (result) => (result === undefined ? run() : operation.repeated(result)),
        (error: ClientError) => operation.fail(error),
      )
      .then(() => this.#resume());
  }

  #resume(): void {
    this.#busy = false;
    while (!this.#busy && this.#waiting.length > 0) {
      const operation = this.#waiting.shift()!;
      this.#waitingBytes -= operation.bytes;
      this.#start(operation);
    }
  }

  #failAll(error: ClientError): void {
    const waiting = this.#waiting;
    this.#place = 'unknown';
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#busy = false;
    for (const operation of waiting) operation.fail(error);
  }
}
