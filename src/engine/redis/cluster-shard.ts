/**
 * Redis Cluster as a shard: a link to each master, commands and subscriptions by hash slot. It follows slots that move and
 * replicas that take over; while a master is away, commands for its slots fail and the others go on.
 */
import { monotonicClock } from '../../lib/clock.js';
import type { Log } from '../../observe/log.js';
import type { FeedState } from '../engine.js';
import { ClusterCommand, ClusterCommands } from './cluster-commands.js';
import { type ClusterServer, ClusterServers, type OpenLink } from './cluster-server.js';
import { ClusterSubscriptions } from './cluster-subscriptions.js';
import { ClusterTopology } from './cluster-topology.js';
import type { ClusterOptions, Endpoint } from './options.js';
import { RefusalLog } from './refusal-log.js';
import { LINK_TUNING } from './server-link.js';
import type { ReplyHandler, Script, Shard, ShardEvents } from './shard.js';
import { keySlot, SLOTS, type SlotRange } from './slots.js';

const NO_MASTERS: ReadonlySet<ClusterServer> = new Set();
const AWAY: { readonly feed: FeedState } = { feed: 'down' };

export class ClusterShard implements Shard {
  readonly name: string;
  readonly isCluster = true;
  readonly server = undefined;
  /** Healthy, or it turned out that this will take a while. */
  readonly settled: Promise<void>;
  readonly #owners: (ClusterServer | undefined)[] = new Array(SLOTS).fill(undefined);
  #masters: ReadonlySet<ClusterServer> = new Set();
  #isCovered = false;
  /** Since subscriptions were last told to follow: they are many. */
  #haveOwnersChanged = false;
  /** By slot: when a replica took over, and until when its streams are compared with what nodes know. */
  readonly #settlesUntilMs = new Float64Array(SLOTS);
  readonly #ioTimeoutMs: number;
  readonly #servers: ClusterServers;
  readonly #topology: ClusterTopology;
  readonly #commands: ClusterCommands;
  readonly #subscriptions: ClusterSubscriptions;

  constructor(
    options: ClusterOptions,
    events: ShardEvents,
    openLink: OpenLink,
    private readonly log: Pick<Log, 'info' | 'error'>,
  ) {
    this.name = options.name;
    this.#ioTimeoutMs = options.server.ioTimeoutMs;
    const ownerOf = (slot: number): ClusterServer | undefined => this.#owners[slot];
    this.#subscriptions = new ClusterSubscriptions(ownerOf, events);
    this.#servers = new ClusterServers(
      openLink,
      {
        message: (server, channel, bytes, start, end) =>
          this.#subscriptions.message(server, channel, bytes, start, end),
        interrupted: (server, channel) => this.#subscriptions.interrupted(server, channel),
        connectedChanged: () => this.#topology.refreshSoon(),
      },
      options.server.connectTimeoutMs,
    );
    const refusals = new RefusalLog(log, monotonicClock);
    this.#commands = new ClusterCommands({
      ownerOf,
      serverAt: (endpoint) => this.#servers.at(endpoint),
      moved: (slot, endpoint) => this.#moved(slot, endpoint),
      isSettling: (slot) => performance.now() < this.#settlesUntilMs[slot]!,
      failed: () => this.#topology.refreshSoon(),
      gaveUp: (text) => refusals.refused(text),
    });
    this.#topology = new ClusterTopology(options.seeds, this.#servers, (ranges) => this.#adopt(ranges));
    this.#topology.start();
    this.settled = this.#settle(options.server.connectTimeoutMs);
  }

  command(key: string, args: readonly (string | Uint8Array)[], handler: ReplyHandler): void {
    this.#queue(key, undefined, [], args, handler);
  }

  script(script: Script, keys: readonly string[], args: readonly (string | Uint8Array)[], handler: ReplyHandler): void {
    this.#queue(keys[0]!, script, keys, args, handler);
  }

  subscribe(pubSubChannel: string): Promise<void> {
    return this.#subscriptions.subscribe(pubSubChannel);
  }

  unsubscribe(pubSubChannel: string): void {
    this.#subscriptions.unsubscribe(pubSubChannel);
  }

  feed(pubSubChannel: string): FeedState {
    const slot = keySlot(pubSubChannel);
    const { feed } = this.#owners[slot]?.link ?? AWAY;
    return feed === 'up' && performance.now() < this.#settlesUntilMs[slot]! ? 'settling' : feed;
  }

  /** Every slot has a master, and all of them are well. */
  get healthy(): boolean {
    if (!this.#isCovered) return false;
    for (const { link } of this.#masters) if (!link.healthy) return false;
    return true;
  }

  close(): void {
    this.#topology.close();
    this.#commands.close();
    this.#subscriptions.close();
    this.#servers.close();
  }

  #queue(
    key: string,
    script: Script | undefined,
    keys: readonly string[],
    args: readonly (string | Uint8Array)[],
    handler: ReplyHandler,
  ): void {
    const deadlineMs = performance.now() + this.#ioTimeoutMs;
    this.#commands.queue(new ClusterCommand(this.#commands, keySlot(key), script, keys, args, handler, deadlineMs));
  }

  async #settle(connectTimeoutMs: number): Promise<void> {
    const timeIsUp = new Promise((resolve) => setTimeout(resolve, connectTimeoutMs).unref());
    await Promise.race([this.#topology.found, timeIsUp]);
    await Promise.all([...this.#masters].map(({ link }) => link.settled));
  }

  #moved(slot: number, endpoint: Endpoint): void {
    const owner = this.#servers.at(endpoint);
    // Slots are moved between masters: a server that was none has taken over.
    this.#setOwner(slot, owner, this.#masters.has(owner) ? this.#masters : NO_MASTERS);
    this.#topology.refreshSoon();
  }

  /** @param masters  those that there are now. */
  #setOwner(slot: number, owner: ClusterServer | undefined, masters: ReadonlySet<ClusterServer>): void {
    const former = this.#owners[slot];
    if (former === owner) return;
    this.#owners[slot] = owner;
    // A slot that is moved away takes its keys along. One that is taken over may lack the last of them.
    if (former !== undefined && (!former.link.connected || !masters.has(former)))
      this.#settlesUntilMs[slot] = performance.now() + LINK_TUNING.settleMs;
    this.#haveOwnersChanged = true;
    this.#commands.ownerChanged(slot);
  }

  /** Answers whether every slot has a master that can be reached. */
  #adopt(ranges: readonly SlotRange[]): boolean {
    const owners = new Array<ClusterServer | undefined>(SLOTS).fill(undefined);
    for (const { from, to, master } of ranges) owners.fill(this.#servers.at(master), from, to + 1);
    const masters = new Set(owners.filter((owner) => owner !== undefined));
    for (const [slot, owner] of owners.entries()) this.#setOwner(slot, owner, masters);
    this.#isCovered = !owners.includes(undefined);
    this.#setMasters(masters);
    if (this.#haveOwnersChanged) this.#subscriptions.follow();
    this.#haveOwnersChanged = false;
    return this.#isCovered && [...this.#masters].every(({ link }) => link.connected);
  }

  #setMasters(masters: ReadonlySet<ClusterServer>): void {
    const before = this.#masters;
    this.#masters = masters;
    this.#servers.retireAllBut(masters);
    if (masters.size === before.size && [...masters].every((master) => before.has(master))) return;
    const addresses = [...masters].map(({ endpoint: { host, port } }) => `${host}:${port}`);
    this.log.info({ masters: addresses }, 'masters of the Redis Cluster');
  }
}
