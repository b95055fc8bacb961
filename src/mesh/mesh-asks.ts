/** {@link Asks} over the mesh. Rare by nature, so bodies are JSON and answers are promises. */
import { ByteWriter } from '../lib/bytes.js';
import { errors } from '../protocol/codes.js';
import type { Asks } from './asks.js';
import { asClientError, type Calls, type Pending } from './calls.js';
import type { Mesh } from './mesh.js';
import { RecordKind } from './records.js';

type Answer = (body: unknown, from: number) => unknown | Promise<unknown>;

export class MeshAsks implements Asks {
  readonly #answers = new Map<string, Answer>();

  constructor(
    private readonly mesh: Mesh,
    private readonly calls: Calls,
    private readonly log: { error(fields: object, message: string): void },
  ) {
    mesh.on(RecordKind.ask, (record, from) => {
      const id = record.u32le();
      const question = record.string();
      void this.#answer(from, id, question, record.rest().toString('utf8'));
    });
  }

  get self(): number {
    return this.mesh.self;
  }

  get workers(): number {
    return this.mesh.workers;
  }

  ask(slot: number, question: string, body: unknown, deadlineMs?: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const succeed: Pending['succeed'] = (result) => resolve(parse(result.rest().toString('utf8')));
      const id = this.calls.open(slot, { succeed, fail: reject }, deadlineMs);
      const out = new ByteWriter(256);
      out.u8(RecordKind.ask);
      out.u32le(id);
      out.string(question);
      out.raw(Buffer.from(JSON.stringify(body ?? null)));
      this.calls.request(slot, id, out.view());
    });
  }

  askWorkers(question: string, body: unknown): Promise<unknown[]> {
    return Promise.all(Array.from({ length: this.workers }, (_, slot) => this.ask(slot, question, body)));
  }

  answer(question: string, handler: Answer): void {
    if (this.#answers.has(question)) throw new Error(`the question ${question} has an answer`);
    this.#answers.set(question, handler);
  }

  async #answer(from: number, id: number, question: string, body: string): Promise<void> {
    const ticket = this.calls.ticket(from, id);
    try {
      const handler = this.#answers.get(question);
      if (!handler) throw errors.methodNotFound;
      const answer = Buffer.from(JSON.stringify((await handler(parse(body), from)) ?? null));
      ticket.reply((out) => out.raw(answer));
    } catch (thrown) {
      const error = asClientError(thrown);
      if (error === errors.internal) this.log.error({ err: thrown, question }, 'a question between threads failed');
      ticket.refuse(error);
    }
  }
}

const parse = (text: string): unknown => JSON.parse(text) as unknown;
