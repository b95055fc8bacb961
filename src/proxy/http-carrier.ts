/** Questions as JSON, by HTTP POST. */
import type { ConnectionOptions } from 'node:tls';
import type { ProxyConfig } from '../config/config.js';
import { JsonWriter } from '../protocol/json-writer.js';
import { type Answer, type AnswerForm, readAnswer } from './answer.js';
import type { Carrier } from './carrier.js';
import type { HeaderRules } from './headers.js';
import { HttpBackend } from './http-backend.js';
import type { Question } from './question.js';

const scratch = new JsonWriter();

export class HttpCarrier implements Carrier {
  readonly #backend: HttpBackend;

  constructor(
    private readonly options: ProxyConfig,
    private readonly headers: HeaderRules,
    tls: ConnectionOptions | undefined,
  ) {
    this.#backend = new HttpBackend({ endpoint: options.endpoint, timeoutMs: options.timeout, tls });
  }

  async ask<R>(question: Question, form: AnswerForm<R>): Promise<Answer<R>> {
    const body = this.#body(question);
    const reply = await this.#backend.post(this.headers.of(question.about.headers), body);
    return reply.status === 200 ? readAnswer(reply.body, form) : this.#transform(reply.status);
  }

  close(): Promise<void> {
    return this.#backend.close();
  }

  /** @throws InappropriatePayload for data that is not JSON, where it has to be. */
  #body({ about: { id, user, transport, codec, meta }, event, named }: Question): Buffer {
    const { binary_encoding, include_connection_meta } = this.options;
    const w = scratch.reset();
    w.open();
    w.textField('client', id);
    w.textField('transport', transport);
    w.textField('protocol', codec.name);
    w.textField('encoding', binary_encoding ? 'binary' : 'json');
    if (named) {
      w.key('user');
      w.text(user);
      if (include_connection_meta) w.payloadField('meta', meta, true);
    }
    w.textField('channel', event.channel);
    w.textField('method', event.method);
    w.textField('name', event.name);
    w.textField('version', event.version);
    if (event.channels?.length) writeList(w, 'channels', event.channels);
    if (binary_encoding) w.textField('b64data', event.data && Buffer.from(event.data).toString('base64'));
    else w.payloadField('data', event.data, codec.name === 'json');
    w.close();
    return w.copy();
  }

  #transform(status: number): Answer<never> {
    const found = this.options.http.status_to_code_transforms.find(({ status_code }) => status_code === status);
    if (found === undefined) throw new Error(`HTTP status ${status}`);
    return { refusal: found.to_error.code > 0 ? found.to_error : found.to_disconnect };
  }
}

function writeList(w: JsonWriter, name: string, items: readonly string[]): void {
  w.key(name);
  w.ascii('[');
  for (const item of items) {
    w.comma();
    w.text(item);
  }
  w.ascii(']');
}
