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
  readonly #publisher: Client;
  readonly #subscriber: Client;
  readonly #timeoutMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #settled: Promise<void>;
  #settle: () => void = () => {};
  /** When the last canary came back; -Infinity once a connection was lost after it. */
  #echoAt = Number.NEGATIVE_INFINITY;
  /** When connections last got the time that {@link #timeoutMs} gives them. */
  #renewedAt = monotonicClock.now();
  #lastError = '';
  #wasHealthy = false;

  constructor(
    private readonly shard: ShardOptions,
    private readonly deps: ControlLinkDeps,
  ) {
    const { connectTimeoutMs, ioTimeoutMs } = shard.server;
    this.#timeoutMs = connectTimeoutMs + ioTimeoutMs;
    this.#settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#publisher = this.#connect();
    this.#subscriber = this.#connect();
    this.#publisher.on('ready', () => this.#sendCanary());
    this.#subscriber.on('ready', () => void this.#subscribe());
    this.#subscriber.on('messageBuffer', (_channel: Buffer, message: Buffer) => this.#heard(message));
    this.#timer = setInterval(() => this.#check(), CANARY_MS);
  }

  get name(): string {
    return this.shard.name;
  }

  get healthy(): boolean {
    return monotonicClock.now() - this.#echoAt < CANARY_MS + this.#timeoutMs;
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
    clearInterval(this.#timer);
    this.#publisher.disconnect();
    this.#subscriber.disconnect();
    this.#settle();
  }

  #connect(): Client {
    const client = createClient(this.shard);
    // Not the error itself: its fields may hold a command with a password.
    client.on('error', (error: Error) => {
      this.#lastError = error.message;
    });
    client.on('close', () => this.#lost());
    return client;
  }

  async #subscribe(): Promise<void> {
    try {
      await this.#subscriber.subscribe(this.deps.controlChannel, this.deps.nodeChannel);
      this.#sendCanary();
    } catch (error) {
      // Nothing comes back then: the check reconnects.
      this.#lastError = String((error as Error).message);
    }
  }

  #heard(message: Buffer): void {
    if (message.length > 0) {
      this.deps.hear(message);
      return;
    }
    this.#echoAt = monotonicClock.now();
    this.#settle();
    this.#report();
  }

  #lost(): void {
    this.#echoAt = Number.NEGATIVE_INFINITY;
    this.#settle();
    this.#report();
  }

  #check(): void {
    this.#report();
    this.#sendCanary();
    if (this.healthy || monotonicClock.now() - this.#renewedAt < this.#timeoutMs) return;
    this.#renewedAt = monotonicClock.now();
    this.#settle();
    // Others are reconnecting anyway.
    for (const client of [this.#publisher, this.#subscriber]) if (client.status === 'ready') client.disconnect(true);
  }

  #sendCanary(): void {
    this.publish(this.deps.nodeChannel, CANARY).catch(() => {});
  }

  #report(): void {
    const { healthy, name } = this;
    if (healthy === this.#wasHealthy) return;
    this.#wasHealthy = healthy;
    if (healthy) this.deps.log.info({ shard: name }, 'control channel: shard is connected');
    else this.deps.log.warn({ shard: name, error: this.#lastError }, 'control channel: shard is away');
  }
}
