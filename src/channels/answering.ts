/** Answering calls of edges: whatever goes wrong on the way to an answer is the answer. */
import type { ByteReader, ByteWriter } from '../lib/bytes.js';
import { type Awaitable, when } from '../lib/when.js';
import { asClientError, type Calls, type Ticket } from '../mesh/calls.js';
import type { KindHandler } from '../mesh/mesh.js';
import type { ClientError } from '../protocol/codes.js';

export class Answering {
  constructor(
    readonly calls: Calls,
    private readonly log: { error(fields: object, message: string): void },
  ) {}

  /** A handler of records that carry a call's number first. */
  handler(handle: (record: ByteReader, ticket: Ticket) => void): KindHandler {
    return this.handlerOf((slot, id) => this.calls.ticket(slot, id), handle);
  }

  /** The same with tickets of another kind. */
  handlerOf<T extends Ticket>(
    ticketOf: (slot: number, id: number) => T,
    handle: (record: ByteReader, ticket: T) => void,
  ): KindHandler {
    return (record, from) => {
      const ticket = ticketOf(from, record.u32le());
      try {
        handle(record, ticket);
      } catch (thrown) {
        ticket.refuse(this.asError(thrown));
      }
    };
  }

  /** Answer a call as soon as the result is there. */
  answer<T>(ticket: Ticket, result: Awaitable<T>, write: (value: T, out: ByteWriter) => void): void {
    const reply = (value: T): void => void ticket.reply((out) => write(value, out));
    this.when(result, reply, (error) => ticket.refuse(error));
  }

  when<T>(result: Awaitable<T>, then: (value: T) => void, failed: (error: ClientError) => void): void {
    when(result, then, (thrown) => failed(this.asError(thrown)));
  }

  /** A code is an answer; anything else is a fault of ours. */
  asError(thrown: unknown): ClientError {
    const error = asClientError(thrown);
    if (thrown !== error) this.log.error({ err: thrown }, 'a request to a channel owner failed');
    return error;
  }
}
