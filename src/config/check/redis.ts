import type { Config } from '../config.js';
import { formatDuration } from '../duration.js';
import { brokerSection, presenceSection } from '../redis/sections.js';
import { deploymentId, type RedisConfig, readShards } from '../redis/shards.js';
import type { Report } from './report.js';

export function checkRedis(config: Config, report: Report): void {
  const broker = brokerSection(config);
  const presence = presenceSection(config);
  const sections = new Map([broker, presence].flatMap((it) => (it === undefined ? [] : [[it.at, it.redis] as const])));
  for (const [at, redis] of sections) checkSection(redis, at, report);
  if (presence !== undefined) checkPresenceTtl(presence.redis.presence_ttl, presence.at, config, report);
}

function checkSection(redis: RedisConfig, at: string, report: Report): void {
  const { mode, shards, previous } = readShards(redis, at, report);
  if (redis.previous_sharding !== '' && previous === undefined) {
    report(`${at}.previous_sharding`, 'needs previous_address');
  }
  if (redis.connect_timeout <= 0) report(`${at}.connect_timeout`, 'must be more than 0');
  if (redis.io_timeout <= 0) report(`${at}.io_timeout`, 'must be more than 0');
  if (previous === undefined || previous.mode !== mode || previous.shards.length !== shards.length) return;
  const isSame = shards.every((shard, i) => {
    const before = previous.shards[i]!;
    return shard.name === before.name && shard.weight === before.weight && deploymentId(shard) === deploymentId(before);
  });
  if (isSame) report(`${at}.previous_address`, 'is the same list as the present one; leave it out');
}

/** Entries are renewed every `client.presence_update_interval`: they must outlive it. Redis keeps them in seconds. */
function checkPresenceTtl(ttl: number, at: string, config: Config, report: Report): void {
  const interval = config.client.presence_update_interval;
  if (ttl > interval) return;
  const [shown, needed] = [ttl, interval].map(formatDuration);
  report(`${at}.presence_ttl`, `${shown} must be longer than client.presence_update_interval, ${needed}`);
}
