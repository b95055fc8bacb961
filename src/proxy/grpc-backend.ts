/**
 * Calls to one endpoint of the application, over HTTP/2 connections that many calls share. Nothing is retried: the
 * application may have acted on what it did not answer.
 */
import { type ConnectionOptions, createSecureContext } from 'node:tls';
import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  compressionAlgorithms,
  credentials,
  type Metadata,
} from '@grpc/grpc-js';
import { BackendError, Gate } from './gate.js';
import { bidirectional, type StreamRequest, type StreamResponse, unidirectional } from './service.js';
import { statusError } from './subscribe-stream.js';

/** Longer messages fail. */
export const MESSAGE_MAX_BYTES = 16 << 20;
/** Of one connection at the same time; RFC 9113 asks servers to allow no fewer. */
export const CONNECTION_MAX_CALLS = 100;
/** Of one worker to one endpoint at the same time. More fail at once. */
export const MAX_STREAMS = 65_536;

const OPTIONS: ChannelOptions = {
  // Nothing is shared with other proxies.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.max_receive_message_length': MESSAGE_MAX_BYTES,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 5_000,
  // For streams on which nothing happens. Servers may take more frequent pings for an attack.
  'grpc.keepalive_time_ms': 300_000,
  'grpc.client_idle_timeout_ms': 60_000,
};

export interface GrpcBackendOptions {
  /** host:port, or another name that gRPC resolves. */
  readonly target: string;
  readonly timeoutMs: number;
  readonly tls: ConnectionOptions | undefined;
  readonly compression: boolean;
}

interface Connection {
  readonly client: Client;
  calls: number;
  /** When a reply came last, by performance.now(). */
  heardAt: number;
}

const asIs = (bytes: Buffer): Buffer => bytes;

export class GrpcBackend {
  readonly #gate: Gate;
  readonly #connect: () => Client;
  /** It connects when it is used first, and disconnects by itself when it is not used for long. */
  #connections: Connection[] = [];
  readonly #streams = new Set<{ cancel(): void }>();

  constructor({ target, timeoutMs, tls, compression }: GrpcBackendOptions) {
    this.#gate = new Gate(timeoutMs);
    const options: ChannelOptions = { ...OPTIONS };
    if (tls?.servername !== undefined) options['grpc.ssl_target_name_override'] = tls.servername;
    if (compression) options['grpc.default_compression_algorithm'] = compressionAlgorithms.gzip;
    const security =
      tls === undefined
        ? credentials.createInsecure()
        : credentials.createFromSecureContext(createSecureContext(tls), {
            rejectUnauthorized: tls.rejectUnauthorized ?? true,
          });
    this.#connect = () => new Client(target, security, options);
  }

  /** One message for one. Rejects with an error whose message may be logged. */
  call(path: string, metadata: Metadata, message: Buffer): Promise<Buffer> {
    return this.#gate.run(message.length, (deadline) => this.#exchange(path, metadata, message, deadline));
  }

  /** @throws BackendError if there are too many. */
  openUnidirectional(metadata: Metadata, request: object): ClientReadableStream<StreamResponse> {
    const { path, requestSerialize, responseDeserialize } = unidirectional;
    return this.#open((client) =>
      client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, metadata),
    );
  }

  /** @throws BackendError if there are too many. */
  openBidirectional(metadata: Metadata): ClientDuplexStream<StreamRequest, StreamResponse> {
    const { path, requestSerialize, responseDeserialize } = bidirectional;
    return this.#open((client) => client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata));
  }

  /** Ends what is under way. */
  close(): void {
    this.#gate.close();
    for (const stream of this.#streams) stream.cancel();
    for (const { client } of this.#connections) client.close();
  }

  #exchange(path: string, metadata: Metadata, message: Buffer, deadline: AbortSignal): Promise<Buffer> {
    const connection = this.#connection();
    const startedAt = performance.now();
    return new Promise((resolve, reject) => {
      const call: ClientUnaryCall = connection.client.makeUnaryRequest(
        path,
        asIs,
        asIs,
        message,
        metadata,
        (error, reply) => {
          connection.calls--;
          if (error === null) resolve(reply!);
          else reject(statusError(error));
          if (!deadline.aborted) connection.heardAt = performance.now();
        },
      );
      const expire = (): void => {
        reject(deadline.reason as BackendError);
        call.cancel();
        // It may be dead, and nobody would know for a long time. What is on it already may stay.
        if (connection.heardAt < startedAt) this.#retire(connection);
      };
      deadline.addEventListener('abort', expire, { once: true });
    });
  }

  #open<Stream extends ClientReadableStream<StreamResponse>>(open: (client: Client) => Stream): Stream {
    if (this.#streams.size >= MAX_STREAMS) throw new BackendError('too many streams are open');
    const connection = this.#connection();
    const stream = open(connection.client);
    this.#streams.add(stream);
    stream.once('status', () => {
      this.#streams.delete(stream);
      connection.calls--;
    });
    return stream;
  }

  /** One that has room. */
  #connection(): Connection {
    let connection = this.#connections.find(({ calls }) => calls < CONNECTION_MAX_CALLS);
    if (connection === undefined) {
      connection = { client: this.#connect(), calls: 0, heardAt: 0 };
      this.#connections.push(connection);
    }
    connection.calls++;
    return connection;
  }

  #retire(connection: Connection): void {
    this.#connections = this.#connections.filter((each) => each !== connection);
    connection.client.close();
  }
}
