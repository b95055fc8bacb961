/** Shards of Redis of different kinds, and everything that can happen to them, to the network and to clients. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import type { Random } from './cluster.js';
import { type RedisServer, type SentinelSet, startRedis, startSentinel } from './redis.js';
import type { SdkClient } from './sdk.js';
import { type NetworkState, startProxy, type TcpProxy } from './tcp-proxy.js';
import { until } from './until.js';

export interface Shards {
  /** Its data stays, whatever happens. */
  readonly lasting: RedisServer;
  /** Comes back empty. */
  readonly forgetful: RedisServer;
  /** A failover may lose what was acknowledged last. */
  readonly replicated: SentinelSet;
  readonly lastingNetwork: TcpProxy;
  readonly forgetfulNetwork: TcpProxy;
}

export async function startShards(): Promise<Shards> {
  const [lasting, forgetful, replicated] = await Promise.all([startRedis(), startRedis(), startSentinel()]);
  const [lastingNetwork, forgetfulNetwork] = [await startProxy(lasting.port), await startProxy(forgetful.port)];
  onTestFinished(async () => {
    await Promise.all([lastingNetwork, forgetfulNetwork].map((network) => network.close()));
    await Promise.all([lasting, forgetful, replicated].map((shard) => shard.stop()));
  });
  await calmDown(replicated);
  return { lasting, forgetful, replicated, lastingNetwork, forgetfulNetwork };
}

/** On a busy machine, sentinels that are quick to judge fail over all the time. */
async function calmDown({ sentinels, masterName }: SentinelSet): Promise<void> {
  for (const { host, port } of sentinels) {
    const client = new Redis({ host, port, protocol: 2 });
    await client.call('SENTINEL', 'SET', masterName, 'down-after-milliseconds', '2000');
    client.disconnect();
  }
}

/** Resolves when it is over. */
export type Fault = () => Promise<unknown>;

/** Faults by what they strike. Each ends with everything in its place again, but for what was lost. */
export function faultsOf(
  shards: Shards,
  clients: readonly SdkClient[],
  random: Random,
): Record<string, Record<string, Fault>> {
  const { lasting, forgetful, replicated, lastingNetwork, forgetfulNetwork } = shards;
  const aWhile = (): Promise<void> => sleep(100 + random.below(1500));
  const frozen = async (server: RedisServer): Promise<void> => {
    server.pause();
    await aWhile();
    server.resume();
  };
  const ofOneServer = (server: RedisServer, network: TcpProxy): Record<string, Fault> => {
    const through =
      (state: NetworkState, thenCut = false) =>
      async (): Promise<void> => {
        network.set(state);
        await aWhile();
        if (thenCut) network.cut();
        network.set('open');
      };
    return {
      cut: async () => network.cut(),
      closed: through('closed'),
      stalled: through('stalled'),
      'stalled, then cut': through('stalled', true),
      deaf: through('deaf'),
      'deaf, then cut': through('deaf', true),
      abandoned: async () => network.abandon(),
      frozen: () => frozen(server),
      'subscribers killed': () => server.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub'),
      'connections killed': () => server.client.call('CLIENT', 'KILL', 'TYPE', 'normal'),
    };
  };
  return {
    lasting: ofOneServer(lasting, lastingNetwork),
    forgetful: {
      ...ofOneServer(forgetful, forgetfulNetwork),
      killed: async () => {
        await forgetful.kill();
        await aWhile();
        await forgetful.start();
      },
      restarted: async () => {
        await forgetful.kill();
        await forgetful.start();
      },
    },
    replicated: {
      'failed over': () => promote(replicated),
      'master killed': async () => {
        const old = await replicated.master();
        await replicated.killMaster();
        await old.start();
        await rejoin(replicated, old);
      },
      'master frozen': async () => frozen(await replicated.master()),
      'subscribers killed': async () => (await replicated.master()).client.call('CLIENT', 'KILL', 'TYPE', 'pubsub'),
    },
    clients: {
      cut: () => {
        const connected = clients.filter(({ centrifuge }) => centrifuge.state === 'connected');
        return Promise.all(connected.filter(() => random.below(2) === 0).map((client) => client.cut()));
      },
    },
  };
}

/** Resolves when all sentinels agree. A replica counts as fit only some time after it has come into step. */
async function promote(set: SentinelSet): Promise<void> {
  await until('a replica is fit to be master', () =>
    set.promote().then(
      () => true,
      (error: Error) => {
        if (/NOGOODSLAVE|INPROG/.test(error.message)) return false;
        throw error;
      },
    ),
  );
}

async function rejoin(set: SentinelSet, server: RedisServer): Promise<void> {
  const { host, port } = await set.master();
  await server.client.replicaof(host, port);
  await until('replica in step', async () =>
    (await server.client.info('replication')).includes('master_link_status:up'),
  );
}
