/** A shard of one server: standalone, or the master of a Sentinel set, wherever that is. */
import type { FeedState } from '../engine.js';
import type { Target } from './connection.js';
import { isMaster } from './dial.js';
import type { LinkHandler } from './link.js';
import type { SentinelOptions, StandaloneOptions } from './options.js';
import { Sentinels } from './sentinels.js';
import { LINK_TUNING, type LinkDeps, ServerLink } from './server-link.js';
import type { ReplyHandler, Script, Shard, ShardEvents } from './shard.js';

export class SingleShard implements Shard {
  readonly name: string;
  readonly isCluster = false;
  readonly server: ServerLink;
  readonly #watch: MasterWatch | undefined;

  constructor(options: StandaloneOptions | SentinelOptions, events: ShardEvents, deps: LinkDeps) {
    this.name = options.name;
    const open = (target: Target): ServerLink =>
      new ServerLink(target, options.server, { ...events, connectedChanged() {} }, deps);
    if (options.kind === 'standalone') {
      this.server = open({ locate: () => options.endpoint, masterOnly: false });
    } else {
      const sentinels = new Sentinels(options);
      this.server = open({ locate: () => sentinels.master(), masterOnly: true });
      this.#watch = new MasterWatch(
        sentinels,
        this.server,
        deps.tuning?.canaryIntervalMs ?? LINK_TUNING.canaryIntervalMs,
      );
    }
  }

  command(_key: string, args: readonly (string | Uint8Array)[], handler: ReplyHandler): void {
    this.server.command(args, handler);
  }

  script(script: Script, keys: readonly string[], args: readonly (string | Uint8Array)[], handler: ReplyHandler): void {
    this.server.script(script, keys, args, handler);
  }

  subscribe(pubSubChannel: string): Promise<void> {
    return this.server.subscribe(pubSubChannel);
  }

  unsubscribe(pubSubChannel: string): void {
    this.server.unsubscribe(pubSubChannel);
  }

  feed(): FeedState {
    return this.server.feed;
  }

  get healthy(): boolean {
    return this.server.healthy;
  }

  /** Healthy, or it turned out that this will take a while. */
  get settled(): Promise<void> {
    return this.server.settled;
  }

  close(): void {
    this.#watch?.close();
    this.server.close();
  }
}

/**
 * Leaves a server that is not the master any more but goes on serving: it was demoted, or it is cut off from the sentinels
 * that chose another. A master that dies is noticed by its connections, which ask the sentinels before every attempt.
 */
class MasterWatch {
  readonly #timer: NodeJS.Timeout;
  readonly #role: LinkHandler = {
    reply: (reply) => {
      if (!isMaster(reply)) this.link.redial('the server is not the master any more');
    },
    fail() {},
  };

  constructor(
    private readonly sentinels: Sentinels,
    private readonly link: ServerLink,
    intervalMs: number,
  ) {
    this.#timer = setInterval(() => void this.#look(), intervalMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.sentinels.close();
  }

  async #look(): Promise<void> {
    this.link.command(['ROLE'], this.#role);
    // Without an answer there is no reason to leave.
    const master = await this.sentinels.master().catch(() => undefined);
    if (master && !this.link.isAt(master)) this.link.redial('the sentinels name another master');
  }
}
