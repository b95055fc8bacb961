/**
 * A real Redis Cluster of redis-server processes on free ports of this machine: three masters, with a replica each if
 * asked for. Slots can be moved with keys in them, servers killed and brought back, replicas promoted.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { Redis } from 'ioredis';
import { SLOTS } from '../../src/engine/redis/slots.js';
import { RedisServer } from './redis.js';
import { until } from './until.js';

const MASTERS = 3;
/** A server that is not heard of for so long is failed by the others. */
const NODE_TIMEOUT_MS = 1000;
const MIGRATE_TIMEOUT_MS = 5000;
const KEYS_PER_MIGRATE = 100;

export async function startRedisCluster({ replicas = false } = {}): Promise<RedisCluster> {
  const ports = await freePorts(2 * MASTERS * (replicas ? 2 : 1));
  const nodes: ClusterNode[] = [];
  for (let i = 0; i < ports.length; i += 2) nodes.push(new ClusterNode(ports[i]!, ports[i + 1]!));
  const cluster = new RedisCluster(nodes.slice(0, MASTERS), nodes.slice(MASTERS));
  try {
    await cluster.form();
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** One redis-server of a cluster. */
export class ClusterNode {
  readonly host: string;
  /** Its name inside the cluster, the same after a restart. */
  id = '';
  private readonly server: RedisServer;

  constructor(
    readonly port: number,
    readonly busPort: number,
  ) {
    const settings = {
      'cluster-port': busPort,
      'cluster-enabled': 'yes',
      'cluster-announce-ip': '127.0.0.1',
      'cluster-node-timeout': NODE_TIMEOUT_MS,
      // Losing a master must not stop the others.
      'cluster-require-full-coverage': 'no',
      // Replicas stay with their masters, and may always take over.
      'cluster-allow-replica-migration': 'no',
      'cluster-replica-validity-factor': 0,
      'repl-diskless-sync-delay': 0,
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
    this.server = new RedisServer(port, { args });
    this.host = this.server.host;
  }

  get client(): Redis {
    return this.server.client;
  }

  /** Again after {@link kill}: in its old place in the cluster, without its data. */
  async start(): Promise<void> {
    await this.server.start();
    this.id = String(await this.client.call('CLUSTER', 'MYID'));
  }

  kill(): Promise<void> {
    return this.server.kill();
  }

  pause(): void {
    this.server.pause();
  }

  resume(): void {
    this.server.resume();
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}

export class RedisCluster {
  constructor(
    /** As they were at the start: failovers do not change this list. */
    readonly masters: readonly ClusterNode[],
    /** `replicas[i]` follows `masters[i]`. */
    readonly replicas: readonly ClusterNode[],
  ) {}

  get nodes(): readonly ClusterNode[] {
    return [...this.masters, ...this.replicas];
  }

  async form(): Promise<void> {
    const { nodes, masters, replicas } = this;
    await Promise.all(nodes.map((node) => node.start()));
    await Promise.all(nodes.map((node, i) => node.client.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1)));
    await Promise.all(
      masters.map((node, i) => node.client.call('CLUSTER', 'ADDSLOTSRANGE', firstSlot(i), firstSlot(i + 1) - 1)),
    );
    for (const node of nodes) {
      await nodes[0]!.client.call('CLUSTER', 'MEET', node.host, node.port, node.busPort);
    }
    await this.agreed();
    await Promise.all(replicas.map((node, i) => node.client.call('CLUSTER', 'REPLICATE', masters[i]!.id)));
    await Promise.all(replicas.map((node) => until('replica in step', () => isReplicaInStep(node))));
    await until('replicas known', () =>
      this.everyNode(async (node) => (await replicasSeenBy(node)) === replicas.length),
    );
  }

  /** Every node sees every other, and the cluster as usable. */
  agreed(): Promise<void> {
    return until('cluster usable', () =>
      this.everyNode(async (node) => {
        const info = await clusterInfo(node);
        return info.cluster_state === 'ok' && info.cluster_known_nodes === String(this.nodes.length);
      }),
    );
  }

  /** The master of a slot, as the others see it. */
  async ownerOf(slot: number): Promise<ClusterNode> {
    for (const node of this.nodes) {
      if (node.client.status !== 'ready') continue;
      const ranges = (await node.client.call('CLUSTER', 'SLOTS')) as [number, number, [string, number, string]][];
      const range = ranges.find(([from, to]) => from <= slot && slot <= to);
      const owner = this.nodes.find(({ id }) => id === range?.[2][2]);
      if (owner !== undefined) return owner;
    }
    throw new Error(`slot ${slot} has no master`);
  }

  async moveSlot(slot: number, to: ClusterNode): Promise<void> {
    const from = await this.ownerOf(slot);
    await this.openSlot(slot, from, to);
    await this.migrateKeys(slot, from, to);
    await this.closeSlot(slot, from, to);
  }

  /** From here on `from` answers ASK for keys that it does not have. */
  async openSlot(slot: number, from: ClusterNode, to: ClusterNode): Promise<void> {
    await to.client.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
    await from.client.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
  }

  async migrateKeys(slot: number, from: ClusterNode, to: ClusterNode): Promise<void> {
    for (;;) {
      const keys = (await from.client.call('CLUSTER', 'GETKEYSINSLOT', slot, KEYS_PER_MIGRATE)) as string[];
      if (keys.length === 0) return;
      await from.client.call('MIGRATE', to.host, to.port, '', 0, MIGRATE_TIMEOUT_MS, 'KEYS', ...keys);
    }
  }

  /** From here on `from` answers MOVED. */
  async closeSlot(slot: number, from: ClusterNode, to: ClusterNode): Promise<void> {
    const others = this.masters.filter((node) => node !== from && node !== to && node.client.status === 'ready');
    for (const node of [to, from, ...others]) await node.client.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
  }

  /** Make a replica master of its master's slots, the planned way: nothing that was written is lost. */
  async failover(replica: ClusterNode): Promise<void> {
    await replica.client.call('CLUSTER', 'FAILOVER');
    await this.promoted(replica);
  }

  promoted(replica: ClusterNode): Promise<void> {
    return until('replica promoted', async () => {
      const role = (await replica.client.call('ROLE')) as unknown[];
      return role[0] === 'master' && (await clusterInfo(replica)).cluster_state === 'ok';
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }

  private async everyNode(holds: (node: ClusterNode) => Promise<boolean>): Promise<boolean> {
    return (await Promise.all(this.nodes.map(holds))).every(Boolean);
  }
}

const firstSlot = (master: number): number => Math.round((master * SLOTS) / MASTERS);

async function clusterInfo(node: ClusterNode): Promise<Record<string, string>> {
  const text = String(await node.client.call('CLUSTER', 'INFO'));
  return Object.fromEntries(text.split('\r\n').map((line) => line.split(':')));
}

async function isReplicaInStep(node: ClusterNode): Promise<boolean> {
  return (await node.client.info('replication')).includes('master_link_status:up');
}

async function replicasSeenBy(node: ClusterNode): Promise<number> {
  const lines = String(await node.client.call('CLUSTER', 'NODES')).split('\n');
  return lines.filter((line) => line.includes('slave')).length;
}

/** Held all at once, so that they are different; free again when this resolves. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listening));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function listening(): Promise<Server> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
