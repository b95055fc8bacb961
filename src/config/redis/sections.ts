import type { Config } from '../config.js';
import type { RedisConfig } from './shards.js';

export interface RedisSection<T extends RedisConfig> {
  /** Its path. */
  readonly at: string;
  readonly redis: T;
}

/** The section that describes the broker's Redis; undefined when the broker is another. */
export function brokerSection({ engine, broker }: Config): RedisSection<Config['broker']['redis']> | undefined {
  if (broker.enabled) return broker.type === 'redis' ? { at: 'broker.redis', redis: broker.redis } : undefined;
  return engine.type === 'redis' ? { at: 'engine.redis', redis: engine.redis } : undefined;
}

/** The section that describes the presence manager's Redis; undefined when the presence manager is another. */
export function presenceSection(config: Config): RedisSection<Config['presence_manager']['redis']> | undefined {
  const { engine, presence_manager: manager } = config;
  if (manager.enabled)
    return manager.type === 'redis' ? { at: 'presence_manager.redis', redis: manager.redis } : undefined;
  return engine.type === 'redis' ? { at: 'engine.redis', redis: engine.redis } : undefined;
}
