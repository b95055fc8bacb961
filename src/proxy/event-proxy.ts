/** One configured proxy: asks the application, and never fails. */
import { type Answer, type AnswerForm, FAILED } from './answer.js';
import type { Carrier } from './carrier.js';
import type { HeaderRules } from './headers.js';
import type { EventFields, Subject } from './question.js';
import type { SubscribeStream } from './subscribe-stream.js';

/** The part of a pino logger that is used here. */
export interface Log {
  error(fields: object, message: string): void;
  info(fields: object, message: string): void;
}

/** Failures are counted meanwhile: a dead backend must not flood the log. */
const LOG_EVERY_MS = 1000;

export class EventProxy {
  #failures = 0;
  #quietUntil = 0;

  /**
   * @param at  where its options are in the configuration, for the log.
   * @param includesMeta  what goes with a connection is passed on.
   */
  constructor(
    readonly at: string,
    readonly headers: HeaderRules,
    readonly includesMeta: boolean,
    private readonly carrier: Carrier,
    private readonly log: Log,
  ) {}

  /**
   * @param named  whether the application is told who it is: a connect proxy has yet to say.
   * The event's bytes are read before this returns.
   */
  async ask<R>(about: Subject, event: EventFields, form: AnswerForm<R>, named = true): Promise<Answer<R>> {
    try {
      return await this.carrier.ask({ about, event, named }, form);
    } catch (error) {
      return this.#failed(error as Error);
    }
  }

  /** Ask for a stream, whose answer does not fail either. Undefined where there are none: over HTTP. */
  open<R>(
    about: Subject,
    event: EventFields,
    form: AnswerForm<R>,
    bidirectional: boolean,
  ): SubscribeStream<R> | undefined {
    const failed = (error: Error): Answer<never> => this.#failed(error);
    return this.carrier.open?.({ about, event, named: true }, form, bidirectional, failed);
  }

  async close(): Promise<void> {
    await this.carrier.close();
  }

  #failed(error: Error & { code?: string | number }): Answer<never> {
    this.#failures++;
    const now = Date.now();
    if (now >= this.#quietUntil) {
      this.#quietUntil = now + LOG_EVERY_MS;
      const fields = { proxy: this.at, failures: this.#failures, reason: error.message, code: error.code };
      this.log.error(fields, 'the application did not answer as it should');
      this.#failures = 0;
    }
    return FAILED as Answer<never>;
  }
}
