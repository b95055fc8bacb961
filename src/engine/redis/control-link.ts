/**
 * One shard as a way to other nodes: a connection that publishes and one that is subscribed.
 *
 * Connections that look alive need not be, and a subscription may get lost unseen. So once a second an empty message is
 * sent to this node's own channel; a link is healthy while those come back.
 */
import { monotonicClock } from '../../lib/clock.js';
import type { Bytes } from '../../protocol/messages.js';
import { type Client, createClient } from './client.js';
import type { ShardOptions } from './options.js';

const CANARY_MS = 1000;
const CANARY = Buffer.alloc(0);

export interface ControlLinkDeps {
  /** Of all nodes. */
  readonly controlChannel: string;
  /** Of this node alone. */
  readonly nodeChannel: string;
  readonly hear: (message: Buffer) => void;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

export class ControlLink {
  #publisher: Client;
  #subscriber: Client;
  readonly #timeoutMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #settled: Promise<void>;
  #settle: () => void = () => {};
  #healthy = false;
  #closed = false;
  /** When a canary came back, or connections were given {@link #timeoutMs} from. */
  #patientSince = monotonicClock.now();
  #lastError = '';

  constructor(
    private readonly shard: ShardOptions,
    private readonly deps: ControlLinkDeps,
  ) {
    const { connectTimeoutMs, ioTimeoutMs } = shard.server;
    this.#timeoutMs = connectTimeoutMs + ioTimeoutMs;
    this.#settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#publisher = this.#createPublisher();
    this.#subscriber = this.#createSubscriber();
    this.#timer = setInterval(() => this.#check(), CANARY_MS);
  }

  get name(): string {
    return this.shard.name;
  }

  get healthy(): boolean {
    return this.#healthy;
  }

  /** Resolves when it is healthy, or it turned out that this will take a while. */
  get settled(): Promise<void> {
    return this.#settled;
  }

  /** Rejects, at the latest after the I/O timeout, if the server did not confirm. */
  async publish(channel: string, message: Bytes): Promise<void> {
    await this.#publisher.publish(channel, message as Buffer);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#publisher.disconnect();
    this.#subscriber.disconnect();
    this.#settle();
  }

  #createPublisher(): Client {
    const client = this.#createClient();
    client.on('ready', () => this.#sendCanary());
    return client;
  }

  #createSubscriber(): Client {
    const client = this.#createClient();
    client.on('ready', () => void this.#subscribe(client));
    client.on('messageBuffer', (_channel: Buffer, message: Buffer) => {
      // One that was replaced may still have some.
      if (client === this.#subscriber) this.#heard(message);
    });
    return client;
  }

  #createClient(): Client {
    const client = createClient(this.shard);
    // Not the error itself: its fields may hold a command with a password.
    client.on('error', (error: Error) => {
      this.#lastError = error.message;
    });
    client.on('close', () => {
      if (client === this.#publisher || client === this.#subscriber) this.#become(false);
    });
    return client;
  }

  async #subscribe(client: Client): Promise<void> {
    try {
      await client.subscribe(this.deps.controlChannel, this.deps.nodeChannel);
      this.#sendCanary();
    } catch (error) {
      // Nothing comes back then, and the check finds that out.
      this.#lastError = String((error as Error).message);
    }
  }

  #heard(message: Buffer): void {
    if (message.length > 0) {
      this.deps.hear(message);
      return;
    }
    this.#patientSince = monotonicClock.now();
    this.#become(true);
  }

  #check(): void {
    this.#sendCanary();
    const now = monotonicClock.now();
    if (now - this.#patientSince < this.#timeoutMs) return;
    this.#patientSince = now;
    this.#become(false);
    // Whatever they wait for, others may have more luck: another sentinel, another server of the cluster.
    this.#publisher.disconnect();
    this.#subscriber.disconnect();
    this.#publisher = this.#createPublisher();
    this.#subscriber = this.#createSubscriber();
  }

  #sendCanary(): void {
    this.publish(this.deps.nodeChannel, CANARY).catch(() => {});
  }

  #become(healthy: boolean): void {
    this.#settle();
    if (healthy === this.#healthy || this.#closed) return;
    this.#healthy = healthy;
    const { name: shard } = this;
    if (healthy) this.deps.log.info({ shard }, 'control channel: shard is connected');
    else this.deps.log.warn({ shard, error: this.#lastError || 'closed' }, 'control channel: shard is away');
  }
}
