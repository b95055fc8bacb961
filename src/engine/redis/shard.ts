/**
 * One Redis deployment as a broker or presence manager uses it: commands by key, and PUB/SUB. What is behind it, one
 * server, a Sentinel set or a Cluster, is its own business, as are connecting, reconnecting, and following a failover.
 *
 * Contract. Commands for one key are carried out in the order in which they were queued, each at most once: nothing is sent
 * again after a lost connection (it fails with 100, and may have been carried out), except where the server said that it
 * did not do it (NOSCRIPT, MOVED, ASK, TRYAGAIN, CLUSTERDOWN). Everything queued in one turn of the event loop leaves in one write.
 */
import type { ByteWriter } from '../../lib/bytes.js';
import type { ClientError } from '../../protocol/codes.js';
import type { FeedState } from '../engine.js';

/** A reply as Redis gave it; simple strings are strings, bulk strings are Buffers that the receiver may keep. */
export type Reply = number | string | Buffer | null | Reply[];

/** Who queued a command. Exactly one of the two is called, once for each that it was given for. */
export interface ReplyHandler {
  reply(reply: Reply): void;
  /**
   * 100: the server is away, did not answer in time, or refused (its text is logged); 111: too much is queued, nothing
   * was sent.
   */
  fail(error: ClientError): void;
}

/** A Lua script, sent by its hash; the server is given the text when it does not know it. */
export interface Script {
  readonly name: string;
  readonly lua: string;
  /** SHA-1 in hex. */
  readonly sha: string;
  /** It gives offsets: while the feed of its channel settles it fails, also when it had been waiting until then. */
  readonly publishes: boolean;
}

/** A command that writes itself, so that nothing is made of its arguments only to be copied. */
export interface EncodedCommand {
  /** What it runs, if it is an EVALSHA. */
  readonly script: Script | undefined;
  /** Append the whole command (lib/resp-command.ts). Called once before it is queued, or never. */
  writeTo(out: ByteWriter): void;
}

export interface DirectServer {
  /**
   * One handler may be given for several commands, and is called for each of them, in their order. It costs least where they
   * follow one another and run no script.
   * @returns why the command is not taken, of which the handler is not told.
   */
  encoded(command: EncodedCommand, handler: ReplyHandler): ClientError | undefined;
}

export interface Shard {
  /** On the hash ring, in logs, in readiness. */
  readonly name: string;
  /** Keys of a channel, and the PUB/SUB channel, must share a hash tag; a script must not touch two channels. */
  readonly isCluster: boolean;

  /** Where it is one server; undefined in a Cluster. Commands keep their order whichever way they are queued. */
  readonly server: DirectServer | undefined;

  /** @param key  decides which server of a cluster it goes to. */
  command(key: string, args: readonly (string | Uint8Array)[], handler: ReplyHandler): void;
  /** EVALSHA. `keys[0]` decides which server it goes to. Arguments are copied before this returns. */
  script(script: Script, keys: readonly string[], args: readonly (string | Uint8Array)[], handler: ReplyHandler): void;

  /** Resolves when the server has confirmed. Rejects with 100 while it is away. Batched per turn. */
  subscribe(pubSubChannel: string): Promise<void>;
  unsubscribe(pubSubChannel: string): void;

  /** Of a subscription: of the server that it is at, or would be. */
  feed(pubSubChannel: string): FeedState;

  /** Whether every server of it answers commands and delivers on PUB/SUB, as the canary saw it last. */
  readonly healthy: boolean;
  /** Healthy, or it turned out that this will take a while. */
  readonly settled: Promise<void>;
  close(): void;
}

/** What a shard reports. */
export interface ShardEvents {
  /** Channels are as they were subscribed. The payload is [start, end) of `bytes`, as lib/resp.ts lends them. */
  message(pubSubChannel: string, bytes: Buffer, start: number, end: number): void;
  /** The subscription was cut off and is confirmed again: messages in between are gone. */
  interrupted(pubSubChannel: string): void;
}
