/** Broker and presence manager as the configuration describes them, on connections of this thread's own. */
import type { Config } from '../../config/config.js';
import { brokerSection, presenceSection, type RedisSection } from '../../config/redis/sections.js';
import { type RedisConfig, readShards } from '../../config/redis/shards.js';
import { monotonicClock, systemClock } from '../../lib/clock.js';
import type { Turn } from '../../lib/turn.js';
import type { Log } from '../../observe/log.js';
import type { Broker, BrokerSink, EngineHealth, PresenceManager, ShardHealth } from '../engine.js';
import { RedisBroker, receiver } from './broker.js';
import { Keys } from './keys.js';
import { openLists, type PlacedShards, ShardMoves } from './moves.js';
import { MovingBroker } from './moving-broker.js';
import { MovingPresence } from './moving-presence.js';
import { openShard } from './open-shard.js';
import type { ShardOptions } from './options.js';
import { RedisPresence } from './presence.js';
import type { Shard, ShardEvents } from './shard.js';

export interface RedisEngineDeps {
  readonly turn: Pick<Turn, 'touch'>;
  readonly log: Log;
}

/** What Centrifugo takes for none. */
const PREFIX_DEFAULT = 'centrifuge';

/** The shards of one section of the configuration. */
interface Opened {
  readonly at: string;
  readonly prefix: string;
  readonly now: PlacedShards;
  /** The list before, while it is being replaced. */
  readonly before: PlacedShards | undefined;
  readonly shards: ReadonlySet<Shard>;
}

export class RedisEngine implements EngineHealth {
  readonly #opened = new Map<string, Opened>();
  readonly #moving: { setOldNodesPresent(present: boolean): void }[] = [];
  /** Hears everything once there is a broker. */
  #sink: BrokerSink | undefined;

  /** @param config  has been checked. */
  constructor(
    private readonly config: Config,
    private readonly deps: RedisEngineDeps,
  ) {}

  /** @returns undefined where the broker is another. */
  openBroker(sink: BrokerSink): Broker | undefined {
    const section = brokerSection(this.config);
    if (section === undefined) return undefined;
    this.#sink = sink;
    const { prefix, now, before } = this.#open(section);
    const useLists = section.redis.history_use_lists;
    const deps = { ...this.deps, clock: monotonicClock };
    const open = (shards: PlacedShards): Broker => new RedisBroker(shards, { prefix, useLists }, deps);
    if (before === undefined) return open(now);
    const moves = new ShardMoves(before, now, (shard, channel) => {
      const keys = new Keys(prefix, shard.isCluster, useLists);
      return { data: keys.data(channel), meta: keys.meta(channel), result: (key) => keys.result(channel, key) };
    });
    return this.#track(new MovingBroker(open(before), open(now), moves, () => monotonicClock.now()));
  }

  /** @returns undefined where the presence manager is another. */
  openPresence(): PresenceManager | undefined {
    const section = presenceSection(this.config);
    if (section === undefined) return undefined;
    const { prefix, now, before } = this.#open(section);
    const options = {
      prefix,
      ttlMs: section.redis.presence_ttl,
      userMapping: section.redis.presence_user_mapping,
      hashFieldTtl: section.redis.presence_hash_field_ttl,
    };
    const open = (shards: PlacedShards): PresenceManager =>
      new RedisPresence(shards, options, { ...this.deps, clock: systemClock });
    if (before === undefined) return open(now);
    const isMoving = (channel: string): boolean => shardOf(before, channel) !== shardOf(now, channel);
    return this.#track(new MovingPresence(open(before), open(now), isMoving));
  }

  /** Resolves when every shard is healthy, or it turned out that this will take a while. */
  async settled(): Promise<void> {
    const shards = [...this.#opened.values()].flatMap((opened) => [...opened.shards]);
    await Promise.all(shards.map((shard) => shard.settled));
  }

  /** Whether there are nodes that use another list of shards. */
  setOldNodesPresent(present: boolean): void {
    for (const moving of this.#moving) moving.setOldNodesPresent(present);
  }

  // ---- EngineHealth ----

  shards(): ShardHealth[] {
    return [...this.#opened.values()].flatMap(({ at, shards }) =>
      [...shards].map(({ name, healthy }) => ({ name: `${at} ${name}`, healthy })),
    );
  }

  close(): void {
    for (const { shards } of this.#opened.values()) for (const shard of shards) shard.close();
  }

  /** Broker and presence manager of one section share its shards. */
  #open({ at, redis }: RedisSection<RedisConfig & { prefix: string }>): Opened {
    const known = this.#opened.get(at);
    if (known !== undefined) return known;
    const { mode, shards, previous } = readShards(redis, at, (path, problem) => {
      throw new Error(`${path} ${problem}`);
    });
    const prefix = redis.prefix || PREFIX_DEFAULT;
    const lists = [{ mode, shards }, ...(previous === undefined ? [] : [previous])];
    const [now, before] = openLists(lists, (options) => this.#openShard(options, prefix));
    const opened = {
      at,
      prefix,
      now: now!,
      before,
      shards: new Set([...now!.shards, ...(before?.shards ?? [])]),
    };
    this.#opened.set(at, opened);
    return opened;
  }

  #openShard(options: ShardOptions, prefix: string): Shard {
    const sink: BrokerSink = {
      publication: (channel, entry, epoch) => this.#sink?.publication(channel, entry, epoch),
      join: (channel, info) => this.#sink?.join(channel, info),
      leave: (channel, info) => this.#sink?.leave(channel, info),
      interrupted: (channel) => this.#sink?.interrupted(channel),
    };
    const keys = new Keys(prefix, options.kind === 'cluster', false);
    const events: ShardEvents = receiver(keys, sink, this.deps.log, monotonicClock);
    return openShard(options, events, { ...this.deps, canaryPrefix: prefix });
  }

  #track<T extends { setOldNodesPresent(present: boolean): void }>(moving: T): T {
    this.#moving.push(moving);
    return moving;
  }
}

const shardOf = ({ placement, shards }: PlacedShards, channel: string): Shard => shards[placement.shardFor(channel)]!;
