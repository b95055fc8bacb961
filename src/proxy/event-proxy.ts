/** One configured proxy: asks the application, and never fails. */
import type { ConnectionOptions } from 'node:tls';
import type { ProxyConfig } from '../config/config.js';
import { JsonWriter } from '../protocol/json-writer.js';
import type { Bytes } from '../protocol/messages.js';
import { type Answer, type AnswerForm, FAILED, readAnswer } from './answer.js';
import { Backend } from './backend.js';
import { type ClientHeaders, HeaderRules } from './headers.js';

/** The connection that an event is about. */
export interface Subject {
  readonly id: string;
  readonly user: string;
  readonly transport: string;
  readonly codec: { readonly name: 'json' | 'protobuf' };
  /** JSON that goes with the connection, for the application only. */
  readonly meta: Bytes | undefined;
  readonly headers: ClientHeaders;
}

/** What happened, as the application is told. What is '' or empty is left out. */
export interface EventFields {
  readonly channel?: string;
  readonly method?: string;
  readonly name?: string;
  readonly version?: string;
  readonly channels?: readonly string[];
  readonly data?: Bytes | undefined;
}

/** The part of a pino logger that is used here. */
export interface Log {
  error(fields: object, message: string): void;
  info(fields: object, message: string): void;
}

/** Failures are counted meanwhile: a dead backend must not flood the log. */
const LOG_EVERY_MS = 1000;

const scratch = new JsonWriter();

export class EventProxy {
  readonly headers: HeaderRules;
  readonly includesMeta: boolean;
  readonly #backend: Backend;
  readonly #binary: boolean;
  readonly #transforms: ProxyConfig['http']['status_to_code_transforms'];
  #failures = 0;
  #quietUntil = 0;

  /** @param at  where `options` are in the configuration, for the log. */
  constructor(
    readonly at: string,
    options: ProxyConfig,
    tls: ConnectionOptions | undefined,
    private readonly log: Log,
  ) {
    this.headers = new HeaderRules(options);
    this.includesMeta = options.include_connection_meta;
    this.#binary = options.binary_encoding;
    this.#transforms = options.http.status_to_code_transforms;
    this.#backend = new Backend({ endpoint: options.endpoint, timeoutMs: options.timeout, tls });
  }

  /**
   * @param user  whether the application is told who it is: a connect proxy has yet to say.
   * The event's bytes are read before this returns.
   */
  async ask<R>(about: Subject, event: EventFields, form: AnswerForm<R>, user = true): Promise<Answer<R>> {
    try {
      const body = this.#body(about, event, user);
      const reply = await this.#backend.post(this.headers.of(about.headers), body);
      return reply.status === 200 ? readAnswer(reply.body, form) : this.#transform(reply.status);
    } catch (error) {
      return this.#failed(error as Error & { code?: string });
    }
  }

  close(): Promise<void> {
    return this.#backend.close();
  }

  /** @throws InappropriatePayload for data that is not JSON, where it has to be. */
  #body({ id, user, transport, codec, meta }: Subject, event: EventFields, withUser: boolean): Buffer {
    const w = scratch.reset();
    w.open();
    w.textField('client', id);
    w.textField('transport', transport);
    w.textField('protocol', codec.name);
    w.textField('encoding', this.#binary ? 'binary' : 'json');
    if (withUser) {
      w.key('user');
      w.text(user);
      if (this.includesMeta) w.payloadField('meta', meta, true);
    }
    w.textField('channel', event.channel);
    w.textField('method', event.method);
    w.textField('name', event.name);
    w.textField('version', event.version);
    if (event.channels?.length) writeList(w, 'channels', event.channels);
    if (this.#binary) w.textField('b64data', event.data && Buffer.from(event.data).toString('base64'));
    else w.payloadField('data', event.data, codec.name === 'json');
    w.close();
    return w.copy();
  }

  #transform(status: number): Answer<never> {
    const found = this.#transforms.find(({ status_code }) => status_code === status);
    if (found === undefined) return this.#failed(new Error(`HTTP status ${status}`));
    return { refusal: found.to_error.code > 0 ? found.to_error : found.to_disconnect };
  }

  #failed(error: Error & { code?: string }): Answer<never> {
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

function writeList(w: JsonWriter, name: string, items: readonly string[]): void {
  w.key(name);
  w.ascii('[');
  for (const item of items) {
    w.comma();
    w.text(item);
  }
  w.ascii(']');
}
