/**
 * One server: its commands, its subscriptions, and the canary, a message that travels the whole way once a second. When it
 * does not come back both connections are made again, whatever they look like: half-open, output buffer dropped, hung server.
 */
import { randomUUID } from 'node:crypto';
import { type Clock, monotonicClock } from '../../lib/clock.js';
import type { Turn } from '../../lib/turn.js';
import type { Log } from '../../observe/log.js';
import type { ClientError } from '../../protocol/codes.js';
import type { FeedState } from '../engine.js';
import type { ConnectionOwner, Target } from './connection.js';
import { Identity } from './identity.js';
import type { Link, LinkEvents, LinkHandler } from './link.js';
import type { Endpoint, ServerOptions } from './options.js';
import { Pipeline } from './pipeline.js';
import { RefusalLog } from './refusal-log.js';
import type { DirectServer, EncodedCommand, Script, ShardEvents } from './shard.js';
import { Subscriber } from './subscriber.js';

export interface LinkTuning {
  readonly canaryIntervalMs: number;
  /** So many without one coming back, and the connections are made again. */
  readonly canariesMissed: number;
  /** Pause before connecting again: at least half of it; doubles up to the maximum. */
  readonly redialMinMs: number;
  readonly redialMaxMs: number;
  /**
   * How long a feed settles when the server is another process than before: until every node is connected to it again,
   * and has compared what it knows of its streams.
   */
  readonly settleMs: number;
  /** Of one server, queued or without a reply. */
  readonly pendingMaxCommands: number;
  readonly pendingMaxBytes: number;
}

export const LINK_TUNING: LinkTuning = {
  canaryIntervalMs: 1000,
  canariesMissed: 3,
  redialMinMs: 50,
  redialMaxMs: 1000,
  settleMs: 2000,
  pendingMaxCommands: 131_072,
  pendingMaxBytes: 64 << 20,
};

export interface LinkDeps {
  readonly log: Log;
  /** Of the thread: commands leave at the end of its turns. */
  readonly turn: Pick<Turn, 'touch'>;
  /** Canaries are sent to PUB/SUB channels that start with this. */
  readonly canaryPrefix: string;
  /** Monotonic. */
  readonly clock?: Clock;
  readonly tuning?: Partial<LinkTuning>;
}

/** Errors of a server that is not the master any more, or not yet. */
const NOT_MASTER = /^(READONLY|LOADING|MASTERDOWN|UNBLOCKED)\b/;
const NOBODY: LinkHandler = { reply() {}, fail() {} };

export class ServerLink implements Link, DirectServer {
  readonly settled: Promise<void>;
  readonly #pipeline: Pipeline;
  readonly #subscriber: Subscriber;
  readonly #canary: string;
  readonly #timer: NodeJS.Timeout;
  readonly #clock: Clock;
  readonly #tuning: LinkTuning;
  readonly #refusals: RefusalLog;
  #settle!: () => void;
  /** Sent since the last one came back. */
  #canariesOut = 0;
  /** One has come back over the connections as they are now. */
  #isProven = false;
  /** The process that commands go to; undefined while it is not known. */
  readonly #identity: Identity;

  constructor(
    private readonly target: Target,
    server: ServerOptions,
    private readonly events: LinkEvents,
    deps: LinkDeps,
  ) {
    this.#clock = deps.clock ?? monotonicClock;
    this.#tuning = { ...LINK_TUNING, ...deps.tuning };
    this.#refusals = new RefusalLog(deps.log, this.#clock);
    this.#canary = `${deps.canaryPrefix}.canary.${randomUUID()}`;
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#identity = new Identity(this.#tuning.settleMs, deps.log, () => this.#settleIfUp());
    const parts = { ...this.#tuning, log: deps.log, turn: deps.turn, clock: this.#clock };
    this.#pipeline = new Pipeline(
      target,
      server,
      this.#owner(() => {
        this.#identity.ask(this.#pipeline);
        events.connectedChanged();
      }),
      parts,
    );
    const heard: ConnectionOwner & ShardEvents = {
      ...this.#owner(() => {}),
      message: (channel, bytes, start, end) => this.#message(channel, bytes, start, end),
      interrupted: (channel) => this.#interrupted(channel),
    };
    this.#subscriber = new Subscriber(target, server, this.#canary, heard, parts);
    // After the poll phase: what came back while this thread was busy has come back.
    const tick = (): void => void setImmediate(() => this.#tick());
    this.#timer = setInterval(tick, this.#tuning.canaryIntervalMs).unref();
  }

  get connected(): boolean {
    return this.#pipeline.connection.isUp;
  }

  get healthy(): boolean {
    return this.#bothUp && this.#isProven;
  }

  get feed(): FeedState {
    if (!this.#bothUp) return 'down';
    return this.#identity.isSettled ? 'up' : 'settling';
  }

  command(args: readonly (string | Uint8Array)[], handler: LinkHandler): void {
    this.#pipeline.command(args, handler);
  }

  script(script: Script, keys: readonly string[], args: readonly (string | Uint8Array)[], handler: LinkHandler): void {
    this.#pipeline.script(script, keys, args, handler);
  }

  encoded(command: EncodedCommand, handler: LinkHandler): ClientError | undefined {
    return this.#pipeline.encoded(command, handler);
  }

  subscribe(pubSubChannel: string): Promise<void> {
    return this.#subscriber.subscribe(pubSubChannel);
  }

  unsubscribe(pubSubChannel: string): void {
    this.#subscriber.unsubscribe(pubSubChannel);
  }

  /** Whether every connection that stands is one to this server. */
  isAt({ host, port }: Endpoint): boolean {
    return [this.#pipeline, this.#subscriber].every(
      ({ connection: { isUp, endpoint } }) => !isUp || (endpoint?.host === host && endpoint.port === port),
    );
  }

  /** Make both connections again, now, to wherever the target is then. */
  redial(reason: string): void {
    for (const { connection } of [this.#pipeline, this.#subscriber]) {
      connection.drop(reason);
      connection.redialNow();
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#identity.close();
    this.#settle();
    this.#pipeline.close();
    this.#subscriber.close();
  }

  get #bothUp(): boolean {
    return this.#pipeline.connection.isUp && this.#subscriber.connection.isUp;
  }

  #owner(connectedChanged: () => void): ConnectionOwner {
    return {
      connectedChanged: () => {
        this.#isProven = false;
        this.#canariesOut = 0;
        this.#sendCanary();
        connectedChanged();
      },
      failed: () => this.#settle(),
      refused: (text, handled) => this.#refused(text, handled),
    };
  }

  #tick(): void {
    if (this.#canariesOut < this.#tuning.canariesMissed) this.#sendCanary();
    else this.redial(`${this.#canariesOut} canaries did not come back`);
  }

  #sendCanary(): void {
    if (!this.#bothUp) return;
    this.#canariesOut++;
    this.#pipeline.command(['PUBLISH', this.#canary, ''], NOBODY);
  }

  #message(channel: string, bytes: Buffer, start: number, end: number): void {
    if (channel !== this.#canary) {
      this.events.message(channel, bytes, start, end);
      return;
    }
    this.#canariesOut = 0;
    this.#isProven = true;
    this.#settleIfUp();
  }

  #settleIfUp(): void {
    if (this.healthy && this.feed === 'up') this.#settle();
  }

  #interrupted(channel: string): void {
    if (channel === this.#canary) this.#sendCanary();
    else this.events.interrupted(channel);
  }

  #refused(text: string, handled: boolean): void {
    if (!handled) this.#refusals.refused(text);
    if (this.target.masterOnly && NOT_MASTER.test(text)) this.redial(`the server is not the master: ${text}`);
  }
}
