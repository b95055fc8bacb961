/** Clients of what is served over gRPC, made from definitions of its services. */
import { fileURLToPath } from 'node:url';
import {
  type ChannelCredentials,
  type ClientReadableStream,
  Client as GrpcClient,
  type Metadata,
  Metadata as MetadataOf,
  credentials as plaintext,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js';
import { loadSync, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';
import { until } from './until.js';

/** A decoded message: fields as they are named in the definition, those that were not sent are absent. */
// biome-ignore lint/suspicious/noExplicitAny: decoded messages have any shape
export type Message = any;

const load = (path: string, service: string): ServiceDefinition =>
  loadSync(fileURLToPath(new URL(path, import.meta.url)), { keepCase: true, longs: Number })[
    service
  ] as ServiceDefinition;

export const API = load('../../src/grpc/api.proto', 'centrifugal.centrifugo.api.CentrifugoApi');
const UNI_STREAM = load('../grpc/unistream.proto', 'centrifugal.centrifugo.unistream.CentrifugoUniStream');

export interface ClientOptions {
  /** `localhost` by default. */
  readonly host?: string;
  readonly credentials?: ChannelCredentials;
  /** Metadata of every call. */
  readonly metadata?: Record<string, string>;
  readonly gzip?: boolean;
}

class Calls {
  protected readonly client: GrpcClient;

  constructor(
    port: number,
    protected readonly options: ClientOptions = {},
  ) {
    this.client = new GrpcClient(
      `${options.host ?? 'localhost'}:${port}`,
      options.credentials ?? plaintext.createInsecure(),
      {
        'grpc.default_compression_algorithm': options.gzip === true ? 2 : 0,
        'grpc.use_local_subchannel_pool': 1,
      },
    );
  }

  close(): void {
    this.client.close();
  }

  protected metadata(more: Record<string, string> = {}): Metadata {
    const metadata = new MetadataOf({ waitForReady: false });
    for (const [name, value] of Object.entries({ ...this.options.metadata, ...more })) metadata.set(name, value);
    return metadata;
  }
}

export class ApiClient extends Calls {
  /** @throws ServiceError on any status but OK. */
  call(method: string, request: object = {}, metadata: Record<string, string> = {}): Promise<Message> {
    const { path, requestSerialize, responseDeserialize } = API[method] as MethodDefinition<object, object>;
    return this.raw(path, requestSerialize(request), responseDeserialize, metadata);
  }

  raw<T>(path: string, bytes: Buffer, decode: (bytes: Buffer) => T, metadata: Record<string, string> = {}): Promise<T> {
    return new Promise((resolve, reject) => {
      const same = (message: Buffer): Buffer => message;
      this.client.makeUnaryRequest(path, same, decode, bytes, this.metadata(metadata), (error, reply) =>
        error === null ? resolve(reply!) : reject(error),
      );
    });
  }
}

export class UniClient extends Calls {
  private readonly streams: UniStream[] = [];

  /** @param request  an object, or the bytes of a message. */
  consume(request: object | Buffer = {}, metadata: Record<string, string> = {}): UniStream {
    const { path, requestSerialize, responseDeserialize } = UNI_STREAM.Consume as MethodDefinition<object, object>;
    const encode = (asked: object | Buffer): Buffer => (Buffer.isBuffer(asked) ? asked : requestSerialize(asked));
    const call = this.client.makeServerStreamRequest(
      path,
      encode,
      responseDeserialize,
      request,
      this.metadata(metadata),
    );
    const stream = new UniStream(call);
    this.streams.push(stream);
    return stream;
  }

  override close(): void {
    for (const { call } of this.streams) call.cancel();
    super.close();
  }
}

export class UniStream {
  readonly pushes: Message[] = [];
  readonly status: Promise<StatusObject>;

  constructor(readonly call: ClientReadableStream<object>) {
    call.on('data', (push) => this.pushes.push(push));
    call.on('error', () => {});
    this.status = new Promise((resolve) => call.on('status', resolve));
  }

  async push(index: number): Promise<Message> {
    await until(`push ${index}`, () => this.pushes.length > index);
    return this.pushes[index];
  }

  /** The first that matches. */
  async find(what: string, matches: (push: Message) => boolean): Promise<Message> {
    await until(what, () => this.pushes.some(matches));
    return this.pushes.find(matches);
  }
}

export const failure = (call: Promise<unknown>): Promise<ServiceError> =>
  call.then(
    () => Promise.reject(new Error('it should have failed')),
    (error: ServiceError) => error,
  );
