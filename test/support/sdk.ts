/** The official client library against a server under test, in both of its encodings. */
import { once } from 'node:events';
import { Centrifuge, type Options, type SubscriptionOptions, type TransportName } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import { Agent, EventSource, fetch } from 'undici';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { hmacToken } from '../auth/make-token.js';
import { type TestServer, TOKEN_KEY } from './server.js';

export interface Flavour {
  readonly name: string;
  readonly library: typeof Centrifuge;
  /** A payload as the library wants it, and back. */
  encode(value: unknown): unknown;
  decode(data: unknown): unknown;
}

export const json: Flavour = { name: 'JSON', library: Centrifuge, encode: (value) => value, decode: (data) => data };

export const protobuf: Flavour = {
  name: 'Protobuf',
  library: ProtobufCentrifuge as unknown as typeof Centrifuge,
  encode: (value) => new TextEncoder().encode(JSON.stringify(value)),
  decode: (data) => JSON.parse(new TextDecoder().decode(data as Uint8Array)) as unknown,
};

export const now = (): number => Math.floor(Date.now() / 1000);

/** A connection token for `user`. */
export const connectionToken = (user: string, claims: object = {}): string =>
  hmacToken({ sub: user, ...claims }, TOKEN_KEY);

export const subscriptionToken = (user: string, channel: string, claims: object = {}): string =>
  hmacToken({ sub: user, channel, ...claims }, TOKEN_KEY);

type Emitter = Pick<Centrifuge, 'on'>;
type Context = Record<string, unknown>;

/** The context of the next event of this name that matches. */
export function next<T = Context>(
  emitter: unknown,
  event: string,
  matches: (context: T) => boolean = () => true,
): Promise<T> {
  const source = emitter as Emitter & { off: Emitter['on'] };
  return new Promise((resolve) => {
    const listener = (context: unknown): void => {
      if (!matches(context as T)) return;
      source.off(event as 'state', listener);
      resolve(context as T);
    };
    source.on(event as 'state', listener);
  });
}

export interface Received {
  readonly data: unknown;
  readonly offset: number | undefined;
  readonly tags: Record<string, string> | undefined;
  readonly user: string | undefined;
}

export interface SdkOptions extends Partial<Options> {
  /** Instead of WebSocket alone. */
  readonly transports?: { transport: TransportName; endpoint: string }[];
}

export type StreamTransport = 'http_stream' | 'sse';

/**
 * Options for a transport that is not WebSocket. Every request is made on a connection of its own, so that requests in
 * turn reach all workers.
 *
 * @param other  the node that gets the commands.
 */
export function overHttp(server: TestServer, transport: StreamTransport, other = server): SdkOptions {
  const dispatcher = new Agent({ pipelining: 0, connect: { ca: server.ca } });
  onTestFinished(() => dispatcher.destroy());
  return {
    transports: [{ transport, endpoint: `${server.http}/connection/${transport}` }],
    emulationEndpoint: `${other.http}/emulation`,
    fetch: (url: string, init: object) => {
      const answer = fetch(url, { ...init, dispatcher });
      // The library does not look at what becomes of its commands.
      answer.catch(() => {});
      return answer;
    },
    readableStream: ReadableStream,
    eventsource: class extends EventSource {
      constructor(url: string) {
        super(url, { node: { dispatcher } });
      }
    },
  };
}

/** A connection that keeps its sockets, so that tests can cut them. */
export class SdkClient {
  readonly centrifuge: Centrifuge;
  readonly sockets: WebSocket[] = [];
  id = '';

  constructor(
    server: TestServer,
    readonly flavour: Flavour,
    { transports, ...options }: SdkOptions,
  ) {
    const { sockets } = this;
    class RecordedSocket extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols, { ca: server.ca });
        sockets.push(this);
      }
    }
    this.centrifuge = new flavour.library(transports ?? server.websocket, {
      websocket: RecordedSocket,
      minReconnectDelay: 5,
      maxReconnectDelay: 50,
      ...options,
    });
    this.centrifuge.on('connected', ({ client }) => {
      this.id = client;
    });
    // An 'error' that nobody listens to would be thrown.
    this.centrifuge.on('error', () => {});
    onTestFinished(() => this.centrifuge.disconnect());
  }

  async connect(): Promise<this> {
    this.centrifuge.connect();
    await this.centrifuge.ready();
    return this;
  }

  /** Cut the connection as a network does. Resolves when the library has noticed and tries again. */
  async cut(): Promise<void> {
    const noticed = next(this.centrifuge, 'connecting');
    this.sockets.at(-1)!.terminate();
    await noticed;
  }

  /** Keep the library from reconnecting until the returned function is called. */
  async leave(): Promise<() => Promise<void>> {
    const socket = this.sockets.at(-1)!;
    const closed = once(socket, 'close');
    this.centrifuge.disconnect();
    await closed;
    return () => this.connect().then(() => {});
  }

  subscription(channel: string, options: Partial<SubscriptionOptions> = {}): SdkSubscription {
    return new SdkSubscription(this, channel, options);
  }

  async subscribe(channel: string, options: Partial<SubscriptionOptions> = {}): Promise<SdkSubscription> {
    const made = this.subscription(channel, options);
    made.subscription.subscribe();
    await made.subscription.ready();
    return made;
  }
}

/** A subscription that keeps what it received. */
export class SdkSubscription {
  readonly subscription;
  readonly received: Received[] = [];
  private waiting: { count: number; resolve: () => void } | undefined;

  constructor(client: SdkClient, channel: string, options: Partial<SubscriptionOptions>) {
    this.subscription = client.centrifuge.newSubscription(channel, {
      minResubscribeDelay: 5,
      maxResubscribeDelay: 50,
      ...options,
    });
    this.subscription.on('error', () => {});
    this.subscription.on('publication', ({ data, offset, tags, info }) => {
      this.received.push({ data: client.flavour.decode(data), offset, tags, user: info?.user });
      if (this.waiting !== undefined && this.received.length >= this.waiting.count) this.waiting.resolve();
    });
  }

  /** The data of the first `count` publications, when they are there. More than those fail the caller's comparison. */
  async data(count: number): Promise<unknown[]> {
    if (this.received.length < count) {
      await new Promise<void>((resolve) => {
        this.waiting = { count, resolve };
      });
    }
    return this.received.map(({ data }) => data);
  }

  get offsets(): (number | undefined)[] {
    return this.received.map(({ offset }) => offset);
  }
}

/** A client that is not connected yet. */
export function newClient(server: TestServer, flavour: Flavour, user: string, options: SdkOptions = {}): SdkClient {
  return new SdkClient(server, flavour, { token: connectionToken(user), ...options });
}

export const connected = (
  server: TestServer,
  flavour: Flavour,
  user: string,
  options: SdkOptions = {},
): Promise<SdkClient> => newClient(server, flavour, user, options).connect();

/** `count` values to publish, distinct and recognizable. */
export const values = (count: number, from = 0): { n: number }[] =>
  Array.from({ length: count }, (_, i) => ({ n: from + i }));
