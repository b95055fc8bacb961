/** Who is in which channel, in Redis. What is renewed in one turn of the event loop goes in one script call a channel. */
import { type Clock, monotonicClock } from '../../lib/clock.js';
import type { Flushable, Turn } from '../../lib/turn.js';
import type { Log } from '../../observe/log.js';
import { decodeClientInfo } from '../../protocol/client-info.js';
import type { ClientError } from '../../protocol/codes.js';
import type { Bytes, ClientInfo } from '../../protocol/messages.js';
import type { PresenceManager, PresenceStats } from '../engine.js';
import { isUnreadable } from './envelope.js';
import { Keys } from './keys.js';
import type { PlacedShards } from './moves.js';
import { addPresenceScript, presenceScript, presenceStatsScript, removePresenceScript } from './presence-scripts.js';
import { type RefusalLog, unreadableLog } from './refusal-log.js';
import type { Reply, ReplyHandler, Script, Shard } from './shard.js';

export interface RedisPresenceOptions {
  readonly prefix: string;
  /** `presence_ttl`, which counts, not the caller's. */
  readonly ttlMs: number;
  /** `presence_user_mapping` */
  readonly userMapping: boolean;
  /** `presence_hash_field_ttl`: needs HEXPIRE (Redis 7.4). */
  readonly hashFieldTtl: boolean;
}

export interface RedisPresenceDeps {
  readonly turn: Pick<Turn, 'touch'>;
  readonly log: Pick<Log, 'error'>;
  /** Wall clock. */
  readonly clock: Clock;
}

/** Of one script call: so that a channel with very many clients does not keep the server from everybody else. */
const BATCH_MAX_ENTRIES = 256;

export class RedisPresence implements PresenceManager, Flushable {
  readonly #places: readonly { shard: Shard; keys: Keys }[];
  readonly #shardFor: (channel: string) => number;
  readonly #ttlSeconds: number;
  readonly #flags: readonly [userMapping: string, hashFieldTtl: string];
  readonly #unreadable: RefusalLog;
  #renewals = new Map<string, Renewal>();

  /** The shards are closed by who opened them. */
  constructor(
    { placement, shards }: PlacedShards,
    private readonly options: RedisPresenceOptions,
    private readonly deps: RedisPresenceDeps,
  ) {
    this.#unreadable = unreadableLog(deps.log, monotonicClock);
    this.#shardFor = (channel) => placement.shardFor(channel);
    this.#places = shards.map((shard) => ({ shard, keys: new Keys(options.prefix, shard.isCluster, false) }));
    this.#ttlSeconds = Math.max(1, Math.ceil(options.ttlMs / 1000));
    this.#flags = [options.userMapping ? '1' : '0', options.hashFieldTtl ? '1' : '0'];
  }

  add(channel: string, client: string, user: string, info: Bytes): Promise<void> {
    if (this.#renewals.size === 0) this.deps.turn.touch(this);
    let renewal = this.#renewals.get(channel);
    if (renewal === undefined || renewal.entries >= BATCH_MAX_ENTRIES) {
      if (renewal !== undefined) this.#send(channel, renewal);
      renewal = new Renewal();
      this.#renewals.set(channel, renewal);
    }
    return renewal.add(client, user, info);
  }

  async remove(channel: string, client: string, user: string): Promise<void> {
    // What was added before must be there before.
    const renewal = this.#renewals.get(channel);
    if (renewal !== undefined) this.#send(channel, renewal);
    await this.#run(channel, removePresenceScript, [client, user, ...this.#flags]);
  }

  async presence(channel: string): Promise<Map<string, Bytes>> {
    const present = new Map<string, Bytes>();
    await this.#each(channel, (client, info) => present.set(client, info));
    return present;
  }

  async stats(channel: string): Promise<PresenceStats> {
    if (this.options.userMapping) {
      const [clients, users] = (await this.#run(channel, presenceStatsScript, [
        this.#now(),
        ...this.#flags,
      ])) as number[];
      return { numClients: clients!, numUsers: users! };
    }
    const clients = new Set<string>();
    const users = new Set<string>();
    await this.#each(channel, (client, _, { user }) => {
      clients.add(client);
      users.add(user);
    });
    return { numClients: clients.size, numUsers: users.size };
  }

  close(): void {}

  /** The end of the turn. */
  flush(): void {
    const renewals = this.#renewals;
    this.#renewals = new Map();
    for (const [channel, renewal] of renewals) this.#send(channel, renewal);
  }

  #send(channel: string, renewal: Renewal): void {
    this.#renewals.delete(channel);
    const { shard, keys } = this.#place(channel);
    const expireAt = Math.floor(this.deps.clock.now() / 1000) + this.#ttlSeconds;
    const args = [String(this.#ttlSeconds), String(expireAt), ...this.#flags, ...renewal.args];
    shard.script(addPresenceScript, names(keys, channel), args, renewal);
  }

  #run(channel: string, script: Script, args: readonly string[]): Promise<Reply> {
    const { shard, keys } = this.#place(channel);
    return new Promise((reply, fail) => shard.script(script, names(keys, channel), args, { reply, fail }));
  }

  /** Clients whose info can be read. */
  async #each(channel: string, visit: (client: string, info: Buffer, decoded: ClientInfo) => void): Promise<void> {
    const flat = (await this.#run(channel, presenceScript, [this.#now(), ...this.#flags])) as Buffer[];
    for (let i = 0; i < flat.length; i += 2) {
      const info = flat[i + 1]!;
      try {
        visit(flat[i]!.toString(), info, decodeClientInfo(info));
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        this.#unreadable.refused(`presence in ${channel}: ${error.message}`);
      }
    }
  }

  #place(channel: string): { shard: Shard; keys: Keys } {
    return this.#places[this.#shardFor(channel)]!;
  }

  #now(): string {
    return String(Math.floor(this.deps.clock.now() / 1000));
  }
}

/** Entries of one channel that leave together. All who asked share one answer. */
class Renewal implements ReplyHandler {
  readonly args: (string | Uint8Array)[] = [];
  entries = 0;
  #resolve!: () => void;
  #reject!: (error: ClientError) => void;
  readonly #done = new Promise<void>((resolve, reject) => {
    this.#resolve = resolve;
    this.#reject = reject;
  });

  /** `info` is copied. */
  add(client: string, user: string, info: Bytes): Promise<void> {
    this.args.push(client, user, Buffer.from(info));
    this.entries++;
    return this.#done;
  }

  reply(): void {
    this.#resolve();
  }

  fail(error: ClientError): void {
    this.#reject(error);
  }
}

const names = (keys: Keys, channel: string): string[] => [
  keys.presence(channel, 'expire'),
  keys.presence(channel, 'data'),
  keys.presence(channel, 'user.expire'),
  keys.presence(channel, 'user.clients'),
];
