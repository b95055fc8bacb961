/**
 * An application that is asked over gRPC. Questions and answers look as they do over HTTP: payloads are values, and the
 * path is that of the event.
 */
import { once } from 'node:events';
import {
  type Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { onTestFinished } from 'vitest';
import { PROTO_FILE } from '../../src/proxy/service.js';
import { Asked, type Question } from './application.js';
import { until } from './until.js';

type Fields = Record<string, unknown>;
type Streaming = ServerWritableStream<Fields, Fields> | ServerDuplexStream<Fields, Fields>;

/** Instead of an answer. */
export interface Status {
  readonly grpc: number;
  readonly details?: string;
}

/** Instead of an answer: bytes that are none. */
export interface Garbage {
  readonly bytes: Buffer;
}

const EVENTS: Record<string, string> = {
  Connect: 'connect',
  Refresh: 'refresh',
  Subscribe: 'subscribe',
  Publish: 'publish',
  SubRefresh: 'sub_refresh',
  RPC: 'rpc',
};

export class GrpcApplication extends Asked {
  readonly streams: ApplicationStream[] = [];
  /** Called with each stream that has been answered. */
  onStream: (stream: ApplicationStream) => void = () => {};
  /** The other ends of the connections that calls came by. */
  readonly peers = new Set<string>();
  port = 0;

  private constructor(private readonly server: Server) {
    super();
    const loaded = loadSync(PROTO_FILE, { keepCase: true, longs: Number });
    const service = loaded['centrifugal.centrifugo.proxy.CentrifugoProxy'] as ServiceDefinition;
    const { SubscribeUnidirectional, SubscribeBidirectional } = service;
    const methods = Object.entries(service).filter(([name]) => name in EVENTS);
    const handlers: Record<string, unknown> = {};
    for (const [name] of methods) {
      handlers[name] = (call: ServerUnaryCall<Fields, object>, reply: sendUnaryData<object>) =>
        void this.asking(EVENTS[name]!, call, reply);
    }
    handlers.SubscribeUnidirectional = (call: ServerWritableStream<Fields, Fields>) =>
      void this.streaming(call, call.request);
    handlers.SubscribeBidirectional = (call: ServerDuplexStream<Fields, Fields>) =>
      call.once('data', ({ subscribe_request }: Fields) => void this.streaming(call, subscribe_request as Fields));
    const unary = Object.fromEntries(methods.map(([name, method]) => [name, lenient(method)]));
    server.addService(
      { ...unary, SubscribeUnidirectional, SubscribeBidirectional } as ServiceDefinition,
      handlers as never,
    );
  }

  /** Ends with the test. */
  static async start(port = 0, credentials?: ServerCredentials): Promise<GrpcApplication> {
    const application = await GrpcApplication.open(port, credentials);
    onTestFinished(() => application.close());
    return application;
  }

  static async open(port = 0, credentials = ServerCredentials.createInsecure()): Promise<GrpcApplication> {
    const application = new GrpcApplication(new Server());
    application.port = await new Promise<number>((resolve, reject) =>
      application.server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    return application;
  }

  get url(): string {
    return `grpc://127.0.0.1:${this.port}`;
  }

  endpoint(): string {
    return this.url;
  }

  async close(): Promise<void> {
    this.server.forceShutdown();
  }

  async stream(count: number): Promise<ApplicationStream> {
    await until(`${count} streams`, () => this.streams.length >= count);
    return this.streams[count - 1]!;
  }

  private async asking(
    event: string,
    call: ServerUnaryCall<Fields, object>,
    reply: sendUnaryData<object>,
  ): Promise<void> {
    this.begun();
    this.peers.add(call.getPeer());
    const answer = (await this.answered(question(event, call.metadata, call.request))) as Partial<Status & Garbage>;
    this.inFlight--;
    if (call.cancelled) return;
    if (answer.grpc !== undefined) reply({ code: answer.grpc, details: answer.details ?? '' });
    else reply(null, answer.bytes ?? toMessage(answer));
  }

  private async streaming(call: Streaming, request: Fields): Promise<void> {
    this.peers.add(call.getPeer());
    const stream = new ApplicationStream(call);
    const answer = (await this.answered(question('subscribe_stream', call.metadata, request))) as Partial<Status>;
    if (answer.grpc !== undefined) stream.fail(answer.grpc, answer.details);
    else if ('subscribe_response' in answer || 'publication' in answer) call.write(toMessage(answer));
    else call.write({ subscribe_response: toMessage(answer) });
    this.streams.push(stream);
    this.onStream(stream);
  }
}

/** One stream, as the application has it. */
export class ApplicationStream {
  /** What the client published. */
  readonly received: unknown[] = [];
  cancelled = false;

  constructor(private readonly call: Streaming) {
    call.on('cancelled', () => {
      this.cancelled = true;
    });
    call.on('error', () => {});
    if ('on' in call && 'read' in call) {
      call.on('data', ({ publication }: Fields) => this.received.push(toValues(publication as Fields).data));
    }
  }

  /** @returns false when it should wait. */
  send(data: unknown, tags?: Record<string, string>): boolean {
    return this.call.write(toMessage({ publication: { data, tags } }));
  }

  end(): void {
    this.call.end();
  }

  fail(code: number = status.INTERNAL, details = 'oops'): void {
    this.call.emit('error', { code, details });
  }

  /** Stop reading what the client publishes. */
  pause(): void {
    (this.call as ServerDuplexStream<Fields, Fields>).pause();
  }

  resume(): void {
    (this.call as ServerDuplexStream<Fields, Fields>).resume();
  }

  async drained(): Promise<void> {
    await once(this.call, 'drain');
  }
}

/** Bytes instead of a message are sent as they are. */
const lenient = (method: object): object => {
  const { responseSerialize } = method as MethodDefinition<object, object>;
  return {
    ...method,
    responseSerialize: (answer: object) => (Buffer.isBuffer(answer) ? answer : responseSerialize(answer)),
  };
};

const question = (event: string, metadata: Metadata, request: Fields): Question => ({
  path: `/${event}`,
  method: 'POST',
  headers: metadata.getMap() as Question['headers'],
  body: toValues(request),
});

const PAYLOADS = ['data', 'info', 'meta'];

/** Payloads become what their JSON says; what is none stays as it is. An empty text is the same as none. */
function toValues(message: Fields): Fields {
  const said = Object.entries(message).filter(([key, value]) => value !== '' || key === 'user');
  return Object.fromEntries(said.map(([key, value]) => [key, toValue(value)]));
}

function toValue(value: unknown): unknown {
  if (!Buffer.isBuffer(value)) return value;
  try {
    return JSON.parse(value.toString());
  } catch {
    return value;
  }
}

/** Payloads are written as JSON, unless they are bytes. */
function toMessage(answer: object): Fields {
  return Object.fromEntries(
    Object.entries(answer)
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([key, value]) => {
        if (PAYLOADS.includes(key)) return [key, Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value))];
        const nested = typeof value === 'object' && !Array.isArray(value) && key !== 'tags';
        return [key, nested ? toMessage(value) : value];
      }),
  );
}
