/** The engine that the configuration asks for, as one worker has it for the channels that it owns. */
import type { Config } from '../config/config.js';
import { brokerSection } from '../config/redis/sections.js';
import type { Chores } from '../lib/chores.js';
import { systemClock } from '../lib/clock.js';
import type { Turn } from '../lib/turn.js';
import type { Log } from '../observe/log.js';
import type { Broker, BrokerSink, EngineHealth, PresenceManager } from './engine.js';
import { MemoryBroker } from './memory/broker.js';
import { MemoryPresence } from './memory/presence.js';
import { RedisEngine } from './redis/open.js';

/** How often a part of what expired in memory is freed. */
const SWEEP_MS = 1000;
/** Long enough for subscribers that come back, as after a lost connection. */
const LINGER_MS = 1000;

export interface Engine extends EngineHealth {
  openBroker(sink: BrokerSink): Broker;
  openPresence(): PresenceManager;
  /** See {@link OwnerDeps}. */
  readonly lingerMs: number;
  readonly positionCheckMs: number;
  /** Resolves when what it needs is there, or it turned out that this will take a while. */
  settled(): Promise<void>;
  /** Whether there are nodes in the cluster that use another list of shards, or are unknown. */
  setForeignNodesPresent(present: boolean): void;
  close(): void;
}

export interface EngineDeps {
  readonly turn: Pick<Turn, 'touch'>;
  readonly chores: Pick<Chores, 'every'>;
  readonly log: Log;
}

export function openEngine(config: Config, deps: EngineDeps): Engine {
  const swept = <T extends { sweep(nowMs: number): void }>(kept: T): T => {
    deps.chores.every(SWEEP_MS, () => kept.sweep(systemClock.now()));
    return kept;
  };
  const redis = new RedisEngine(config, deps);
  const isShared = brokerSection(config) !== undefined;
  return {
    openBroker: (sink) => redis.openBroker(sink) ?? swept(new MemoryBroker(sink, { clock: systemClock })),
    openPresence: () => redis.openPresence() ?? swept(new MemoryPresence(systemClock)),
    lingerMs: isShared ? LINGER_MS : 0,
    positionCheckMs: isShared ? config.client.channel_position_check_delay : 0,
    settled: () => redis.settled(),
    setForeignNodesPresent: (present) => redis.setOldNodesPresent(present),
    shards: () => redis.shards(),
    close: () => redis.close(),
  };
}
