/** What the configuration says of Redis, in the form in which connections need it. */
import type { ConnectionOptions } from 'node:tls';

export interface Endpoint {
  /** Host, or path of a Unix socket with port 0. */
  readonly host: string;
  readonly port: number;
}

/** How to talk to a server once it is known where it is. */
export interface ServerOptions {
  readonly user: string;
  readonly password: string;
  readonly db: number;
  readonly clientName: string;
  readonly tls: ConnectionOptions | undefined;
  readonly connectTimeoutMs: number;
  /** Deadline of a command, from when it was queued. */
  readonly ioTimeoutMs: number;
  /** Never ask for RESP3. */
  readonly resp2: boolean;
}

interface NamedShard {
  /** Its place on the hash ring. By default its number in the list, so that a shard may move to another host. */
  readonly name: string;
  /** Share of the channels in relation to other shards. */
  readonly weight: number;
  readonly server: ServerOptions;
}

export interface StandaloneOptions extends NamedShard {
  readonly kind: 'standalone';
  readonly endpoint: Endpoint;
}

export interface SentinelOptions extends NamedShard {
  readonly kind: 'sentinel';
  readonly sentinels: readonly Endpoint[];
  readonly masterName: string;
  readonly sentinelUser: string;
  readonly sentinelPassword: string;
  readonly sentinelClientName: string;
  readonly sentinelTls: ConnectionOptions | undefined;
}

export interface ClusterOptions extends NamedShard {
  readonly kind: 'cluster';
  readonly seeds: readonly Endpoint[];
}

/** One Redis deployment. */
export type ShardOptions = StandaloneOptions | SentinelOptions | ClusterOptions;
