/**
 * Messages between nodes over Redis PUB/SUB, as Centrifugo's nodes send them (centrifuge `RedisBroker.PublishControl`):
 *
 *   <prefix>.control       everybody        a node listens to both on all shards, and publishes on one shard,
 *   <prefix>.node.<uid>    one node         in turn
 *
 * A shard that is away is passed over. Without any the message fails.
 *
 * While a list of shards replaces another, nodes with the former list, with both, and with the new one must hear each other.
 * All of them listen to the shards that are in both lists, so these are used if there are any; otherwise a message takes one
 * shard of each list, and nodes with both lists hear it twice.
 */
import { deploymentId } from '../../config/redis/shards.js';
import { errors } from '../../protocol/codes.js';
import type { Bytes } from '../../protocol/messages.js';
import type { Controller, ShardHealth } from '../engine.js';
import { ControlLink, type ControlLinkDeps } from './control-link.js';
import type { ShardOptions } from './options.js';

/** Messages sent and not yet confirmed. */
const UNCONFIRMED_MAX = 1024;

export interface RedisControllerOptions {
  /** At least one. */
  readonly shards: readonly ShardOptions[];
  /** The list that {@link shards} replaces, if it does. */
  readonly previousShards?: readonly ShardOptions[] | undefined;
  /** `engine.redis.prefix`. */
  readonly prefix: string;
  readonly nodeUid: string;
  /** Bytes are borrowed. */
  readonly hear: (message: Bytes) => void;
  readonly log: ControlLinkDeps['log'];
}

/** Resolves when all shards are connected or it is clear that some are away: those are connected when they are back. */
export async function openRedisController(options: RedisControllerOptions): Promise<Controller> {
  const controller = new RedisController(options);
  await controller.settled();
  return controller;
}

class RedisController implements Controller {
  readonly #links: readonly ControlLink[];
  /** A message takes one link of each group of the first set that has a healthy link in every group, or of the last set. */
  readonly #routes: readonly (readonly Rotation[])[];
  #unconfirmed = 0;

  constructor(private readonly options: RedisControllerOptions) {
    const { shards, previousShards = [], hear, log, nodeUid } = options;
    const deps = { controlChannel: this.#channel(''), nodeChannel: this.#channel(nodeUid), hear, log };
    const links = new Map(shards.map((shard) => [deploymentId(shard), new ControlLink(shard, deps)]));
    const current = [...links.values()];
    const common: ControlLink[] = [];
    const former: ControlLink[] = [];
    for (const shard of previousShards) {
      const known = links.get(deploymentId(shard));
      if (known !== undefined) common.push(known);
      else former.push(new ControlLink({ ...shard, name: `previous ${shard.name}` }, deps));
    }
    this.#links = [...current, ...former];
    this.#routes = routes(current, former, common);
  }

  async settled(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.settled));
  }

  async publish(data: Bytes, nodeUid: string): Promise<void> {
    if (this.#unconfirmed >= UNCONFIRMED_MAX) throw errors.tooManyRequests;
    this.#unconfirmed++;
    try {
      const channel = this.#channel(nodeUid);
      await Promise.all(this.#route().map((rotation) => rotation.next().publish(channel, data)));
    } catch {
      throw errors.internal;
    } finally {
      this.#unconfirmed--;
    }
  }

  shards(): readonly ShardHealth[] {
    return this.#links.map(({ name, healthy }) => ({ name, healthy }));
  }

  close(): void {
    for (const link of this.#links) link.close();
  }

  #route(): readonly Rotation[] {
    return this.#routes.find((groups) => groups.every((group) => group.healthy)) ?? this.#routes.at(-1)!;
  }

  #channel(nodeUid: string): string {
    const { prefix } = this.options;
    return nodeUid === '' ? `${prefix}.control` : `${prefix}.node.${nodeUid}`;
  }
}

function routes(current: readonly ControlLink[], former: readonly ControlLink[], common: readonly ControlLink[]) {
  const all = [current, former].filter((group) => group.length > 0);
  const ways = former.length > 0 && common.length > 0 ? [[common], all] : [all];
  return ways.map((groups) => groups.map((group) => new Rotation(group)));
}

/** Links that take turns. */
class Rotation {
  #turn = 0;

  constructor(private readonly links: readonly ControlLink[]) {}

  get healthy(): boolean {
    return this.links.some((link) => link.healthy);
  }

  /** The next healthy one; if there is none, one that says why not. */
  next(): ControlLink {
    for (let tried = 0; tried < this.links.length; tried++) {
      const link = this.links[this.#turn++ % this.links.length]!;
      if (link.healthy) return link;
    }
    return this.links[0]!;
  }
}
