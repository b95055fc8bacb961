/** Questions as calls of {@link file://./proxy.proto}. Loads the gRPC library: only imported where a proxy needs it. */
import type { ConnectionOptions } from 'node:tls';
import { Metadata } from '@grpc/grpc-js';
import { grpcTarget } from '../config/check/proxy.js';
import type { ProxyConfig } from '../config/config.js';
import { type Answer, type AnswerForm, type AnswerMessage, readMessage } from './answer.js';
import type { Carrier } from './carrier.js';
import { GrpcBackend } from './grpc-backend.js';
import type { HeaderRules } from './headers.js';
import type { Question } from './question.js';
import { unaryMethod } from './service.js';
import { SubscribeStream } from './subscribe-stream.js';

/** The header that tells the application how long it has takes eight digits. What decides is our own clock. */
const TIMEOUT_MAX_MS = 99_999_999;

export class GrpcCarrier implements Carrier {
  readonly #backend: GrpcBackend;

  constructor(
    private readonly options: ProxyConfig,
    private readonly headers: HeaderRules,
    tls: ConnectionOptions | undefined,
  ) {
    const { endpoint, timeout, grpc } = options;
    const target = grpcTarget(endpoint);
    this.#backend = new GrpcBackend({ target, timeoutMs: timeout, tls, compression: grpc.compression });
  }

  async ask<R>(question: Question, form: AnswerForm<R>): Promise<Answer<R>> {
    const { path, requestSerialize, responseDeserialize } = unaryMethod(form.method);
    const request = requestSerialize(this.#request(question));
    const metadata = this.#metadata(question);
    metadata.set('grpc-timeout', `${Math.min(this.options.timeout, TIMEOUT_MAX_MS)}m`);
    const reply = await this.#backend.call(path, metadata, request);
    return readMessage(responseDeserialize(reply), form);
  }

  open<R>(
    question: Question,
    form: AnswerForm<R>,
    bidirectional: boolean,
    failed: (error: Error) => Answer<never>,
  ): SubscribeStream<R> {
    const request = this.#request(question);
    const metadata = this.#metadata(question);
    const { timeout } = this.options;
    const read = (answer: AnswerMessage): Answer<R> => readMessage(answer, form);
    if (!bidirectional) {
      return new SubscribeStream(this.#backend.openUnidirectional(metadata, request), read, timeout, failed);
    }
    const call = this.#backend.openBidirectional(metadata);
    call.write({ subscribeRequest: request });
    return new SubscribeStream(call, read, timeout, failed);
  }

  close(): void {
    this.#backend.close();
  }

  /** Fields that a message does not have are passed over. */
  #request({ about: { id, user, transport, codec, meta }, event: { data, ...event }, named }: Question): object {
    const { binary_encoding, include_connection_meta } = this.options;
    return {
      client: id,
      transport,
      protocol: codec.name,
      encoding: binary_encoding ? 'binary' : 'json',
      ...(named && { user }),
      ...(named && include_connection_meta && { meta }),
      ...event,
      ...(binary_encoding ? { b64data: data && Buffer.from(data).toString('base64') } : { data }),
    };
  }

  /** @throws Error for a value that cannot be sent. */
  #metadata({ about }: Question): Metadata {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(this.headers.of(about.headers))) {
      metadata.set(name, name.endsWith('-bin') ? Buffer.from(value) : value);
    }
    return metadata;
  }
}
