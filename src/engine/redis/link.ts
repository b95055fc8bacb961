/** One server as a shard uses it: what the shard of a Cluster needs of each master. */
import type { FeedState } from '../engine.js';
import type { ReplyHandler, Script, ShardEvents } from './shard.js';

/** Who sent a command to one server. `reply` or `fail` is called, once; or `refused`, and it says that it takes over. */
export interface LinkHandler extends ReplyHandler {
  /**
   * The server answered with an error. Answers whether that is dealt with; if not, and without this method, the text is
   * logged and {@link ReplyHandler.fail} called with 100.
   * @param text  as the server wrote it, without the leading '-': 'MOVED 3999 127.0.0.1:6381'.
   */
  refused?(text: string): boolean;
}

/**
 * Replies, refusals and failures of one link come in the order of its commands. Two commands that are queued one right
 * after the other are next to each other on the connection (ASKING counts for the one that follows).
 */
export interface Link {
  command(args: readonly (string | Uint8Array)[], handler: LinkHandler): void;
  script(script: Script, keys: readonly string[], args: readonly (string | Uint8Array)[], handler: LinkHandler): void;
  subscribe(pubSubChannel: string): Promise<void>;
  unsubscribe(pubSubChannel: string): void;
  /** Commands can be sent: the connection for them stands. While it does not, they fail with 100 at once, unsent. */
  readonly connected: boolean;
  readonly healthy: boolean;
  /** 'settling' after it turned out to be another process than before, which may not have all that the former had. */
  readonly feed: FeedState;
  /** The first attempt is over: it is healthy, or it turned out that this will take a while. */
  readonly settled: Promise<void>;
  close(): void;
}

export interface LinkEvents extends ShardEvents {
  /** {@link Link.connected} has changed. */
  connectedChanged(): void;
}
