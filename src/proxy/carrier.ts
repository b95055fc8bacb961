import type { Answer, AnswerForm } from './answer.js';
import type { Question } from './question.js';
import type { SubscribeStream } from './subscribe-stream.js';

/** Takes questions to the application and its answers back, over one protocol. Questions are read before a call returns. */
export interface Carrier {
  /** Rejects, with an error whose message may be logged, where there is no answer that can be understood. */
  ask<R>(question: Question, form: AnswerForm<R>): Promise<Answer<R>>;
  /**
   * Ask for a stream. Undefined where the protocol has none.
   * @param failed  what to make of an error, for the stream's answer.
   */
  open?<R>(
    question: Question,
    form: AnswerForm<R>,
    bidirectional: boolean,
    failed: (error: Error) => Answer<never>,
  ): SubscribeStream<R>;
  /** Ends what is under way. */
  close(): void | Promise<void>;
}
