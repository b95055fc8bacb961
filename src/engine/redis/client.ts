/**
 * ioredis, for what is not on the data path. Clients reconnect for ever; while the server is away commands fail at once, and
 * nothing is sent a second time.
 */
import { Cluster, Redis } from 'ioredis';
import type { Endpoint, ServerOptions, ShardOptions } from './options.js';

export type Client = Redis | Cluster;

const RECONNECT_MIN_MS = 50;
const RECONNECT_MAX_MS = 2000;

/** Connects at once. Have a listener for its `error` event. */
export function createClient(shard: ShardOptions): Client {
  const options = serverOptions(shard.server);
  switch (shard.kind) {
    case 'standalone':
      return new Redis({ ...options, ...steadfast, ...address(shard.endpoint) });
    case 'sentinel':
      return new Redis({
        ...options,
        ...steadfast,
        sentinels: shard.sentinels.map(({ host, port }) => ({ host, port })),
        name: shard.masterName,
        sentinelUsername: shard.sentinelUser || undefined,
        sentinelPassword: shard.sentinelPassword || undefined,
        sentinelTLS: shard.sentinelTls,
        // The master's, in spite of its name.
        enableTLSForSentinelMode: shard.server.tls !== undefined,
        sentinelCommandTimeout: shard.server.ioTimeoutMs,
        sentinelRetryStrategy: backoff,
        sentinelReconnectStrategy: backoff,
        // A master that was demoted closes no connections of its own accord.
        failoverDetector: true,
      });
    case 'cluster':
      return new Cluster(shard.seeds.map(address), {
        redisOptions: options,
        enableOfflineQueue: false,
        clusterRetryStrategy: backoff,
        slotsRefreshTimeout: shard.server.ioTimeoutMs,
        maxRedirections: 0,
      });
  }
}

function serverOptions(server: ServerOptions) {
  return {
    username: server.user || undefined,
    password: server.password || undefined,
    db: server.db,
    connectionName: server.clientName || undefined,
    disableClientInfo: true,
    tls: server.tls,
    // RESP3 has nothing that is needed here.
    protocol: 2 as const,
    connectTimeout: server.connectTimeoutMs,
    commandTimeout: server.ioTimeoutMs,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
  };
}

const steadfast = { retryStrategy: backoff, enableOfflineQueue: false };

const address = ({ host, port }: Endpoint) => (port === 0 ? { path: host } : { host, port });

/** Doubling, with some luck, so that nodes do not come back all at once. */
function backoff(attempt: number): number {
  const delay = Math.min(RECONNECT_MAX_MS, RECONNECT_MIN_MS * 2 ** Math.min(attempt, 10));
  return delay / 2 + (Math.random() * delay) / 2;
}
