import { createHash } from 'node:crypto';
import type { Config } from '../../config/config.js';
import { brokerSection, presenceSection } from '../../config/redis/sections.js';
import { deploymentId, readShards, type ShardingMode, type ShardList } from '../../config/redis/shards.js';
import { HashRing } from '../../lib/hash-ring.js';
import { jumpHash } from '../../lib/jump-hash.js';

/** Which shard a channel is on. */
export interface Placement {
  /** @returns number of the shard in the list. */
  shardFor(channel: string): number;
}

/** The placement that a list of shards stands for. */
export function placementOf({ mode, shards }: Pick<ShardList, 'mode'> & { shards: readonly Member[] }): Placement {
  if (shards.length === 1) return { shardFor: () => 0 };
  if (mode === 'jump') return { shardFor: (channel) => jumpHash(channel, shards.length) };
  const ring = new HashRing(shards);
  return { shardFor: (channel) => ring.memberOf(channel) };
}

interface Member {
  readonly name: string;
  readonly weight: number;
}

/**
 * Names a placement: nodes with the same fingerprint look for every channel in the same Redis. They tell it to each other.
 * Addresses are part of it as they are written in the configuration, credentials are not.
 */
export function fingerprint({ mode, shards }: ShardList): string {
  return createHash('sha256').update(describe(mode, shards)).digest('hex').slice(0, 16);
}

function describe(mode: ShardingMode, shards: ShardList['shards']): string {
  // One shard has everything, in whatever way channels are spread.
  if (shards.length === 1) return deploymentId(shards[0]!);
  if (mode === 'jump') return ['jump', ...shards.map(deploymentId)].join('\n');
  return ['ring', ...shards.map((it) => `${it.name} ${it.weight} ${deploymentId(it)}`).sort()].join('\n');
}

/**
 * The fingerprint that a node with this configuration tells the others, of broker and presence together: those that tell
 * another one, or none, may look for a channel elsewhere. Without Redis it is that of nothing.
 */
export function placementFingerprint(config: Config): string {
  const sections = [brokerSection(config), presenceSection(config)];
  return sections.map((it) => (it === undefined ? '' : fingerprint(readShards(it.redis, it.at, () => {})))).join('-');
}
