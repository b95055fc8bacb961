import type { Config } from '../config/config.js';
import { brokerSection, presenceSection } from '../config/redis/sections.js';
import { readShards } from '../config/redis/shards.js';
import { openRedisController } from '../engine/redis/controller.js';
import { placementFingerprint } from '../engine/redis/sharding.js';
import type { ClusterLink } from './cluster.js';

interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/**
 * Nodes meet where publications go.
 * @param config  has been checked.
 * @returns undefined where the broker is in the process: there is one node.
 */
export function redisLink(config: Config, nodeUid: string, log: Log): ClusterLink | undefined {
  const section = brokerSection(config);
  if (section === undefined) return undefined;
  const { mode, shards, previous } = readShards(section.redis, section.at, (path, problem) => {
    throw new Error(`${path} ${problem}`);
  });
  return {
    placement: {
      fingerprint: placementFingerprint(config),
      shards: shards.length,
      isChanging: [section, presenceSection(config)].some((it) => (it?.redis.previous_address.length ?? 0) > 0),
      asCentrifugo: mode === 'jump' || shards.length === 1,
    },
    open: (hear) =>
      openRedisController({
        shards,
        previousShards: previous?.shards,
        // What Centrifugo takes for none.
        prefix: section.redis.prefix || 'centrifuge',
        nodeUid,
        hear,
        log,
      }),
  };
}
