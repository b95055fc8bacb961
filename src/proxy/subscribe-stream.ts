/**
 * The application's side of one subscription: first its answer, then publications for this subscriber alone.
 *
 *   opening ──answer──▶ paused ──start──▶ flowing ──▶ over
 *
 * While it is paused the application is held back by HTTP/2's flow control, so that nothing is kept but what was on its way.
 */
import { type ClientDuplexStream, type ClientReadableStream, type StatusObject, status } from '@grpc/grpc-js';
import { type ClientError, errors } from '../protocol/codes.js';
import type { Bytes, Publication } from '../protocol/messages.js';
import { type Answer, type AnswerMessage, FAILED } from './answer.js';
import { BackendError } from './gate.js';
import type { StreamRequest, StreamResponse } from './service.js';

export interface StreamListener {
  publication(publication: Publication): void;
  /** Last. @param orderly  the application ended the stream; otherwise it failed. */
  ended(orderly: boolean): void;
}

export type StreamCall = ClientReadableStream<StreamResponse> | ClientDuplexStream<StreamRequest, StreamResponse>;
type Done = (error: ClientError | null) => void;

const NO_DATA: Bytes = new Uint8Array(0);

export class SubscribeStream<R = unknown> {
  /** Never rejects. Unless it is a result the stream is over. */
  readonly answer: Promise<Answer<R>>;
  #listener: StreamListener | undefined;
  /** How it ended: before the last messages have been handed on. */
  #status: StatusObject | undefined;
  #closed = false;
  /** Publications on their way to the application: as many as the client's commands at work. */
  readonly #writing = new Set<Done>();

  /** @param failed  what to make of an error, for the answer. */
  constructor(
    private readonly call: StreamCall,
    read: (answer: AnswerMessage) => Answer<R>,
    timeoutMs: number,
    failed: (error: Error) => Answer<never>,
  ) {
    // What it says the status says, too.
    call.on('error', () => {});
    call.once('status', (status: StatusObject) => {
      this.#status = status;
      this.#giveUpWriting();
    });
    call.once('end', () => {
      if (!this.#closed) this.#listener?.ended(this.#status?.code === status.OK);
    });
    this.answer = this.#answer(read, timeoutMs, failed);
  }

  /** From now on publications are handed on. Once, after the answer. */
  start(listener: StreamListener): void {
    this.#listener = listener;
    this.call.on('data', ({ publication }: StreamResponse) => {
      if (publication === undefined || this.#closed) return;
      const { data = NO_DATA, tags } = publication;
      listener.publication({ offset: 0, data, tags });
    });
    this.call.resume();
  }

  /** Hand on what the client published. `done` waits for the application to take it. */
  publish(data: Bytes, done: Done): void {
    const { call } = this;
    if (this.#status !== undefined || this.#closed || !('write' in call)) {
      done(errors.notAvailable);
      return;
    }
    this.#writing.add(done);
    call.write({ publication: { data } }, (error?: Error | null) =>
      this.#written(done, error ? errors.internal : null),
    );
  }

  /** Idempotent. Nothing is handed on any more, and the listener is not told. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.call.cancel();
    this.#giveUpWriting();
  }

  async #answer(
    read: (answer: AnswerMessage) => Answer<R>,
    timeoutMs: number,
    failed: (error: Error) => Answer<never>,
  ): Promise<Answer<R>> {
    try {
      const { subscribeResponse } = await this.#firstMessage(timeoutMs);
      if (subscribeResponse === undefined) throw new BackendError('the first message of the stream is not an answer');
      const answer = read(subscribeResponse);
      if (!('result' in answer)) this.close();
      return answer;
    } catch (error) {
      if (this.#closed) return FAILED as Answer<never>;
      this.close();
      return failed(error as Error);
    }
  }

  /** Reading stops after it. */
  #firstMessage(timeoutMs: number): Promise<StreamResponse> {
    const { call } = this;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new BackendError(`no reply within ${timeoutMs} ms`)), timeoutMs);
      call.once('data', (first: StreamResponse) => {
        clearTimeout(timer);
        call.pause();
        resolve(first);
      });
      call.once('end', () => {
        clearTimeout(timer);
        reject(this.#status === undefined ? new BackendError('closed') : statusError(this.#status));
      });
    });
  }

  #giveUpWriting(): void {
    for (const done of this.#writing) this.#written(done, errors.internal);
  }

  #written(done: Done, error: ClientError | null): void {
    if (this.#writing.delete(done)) done(error);
  }
}

/** Why there is no reply, as the log shows it. */
export function statusError({ code, details }: Pick<StatusObject, 'code' | 'details'>): Error {
  return Object.assign(new BackendError(details || 'no answer'), { code: status[code] });
}
