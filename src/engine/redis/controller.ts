/**
 * Messages between nodes over Redis PUB/SUB, as Centrifugo's nodes send them (centrifuge `RedisBroker.PublishControl`):
 *
 *   <prefix>.control       everybody        a node listens to both on all shards, and publishes on one shard,
 *   <prefix>.node.<uid>    one node         in turn
 *
 * A shard that is away is passed over. Without any the message fails.
 */
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
  #round = 0;
  #unconfirmed = 0;

  constructor(private readonly options: RedisControllerOptions) {
    const { shards, hear, log, nodeUid } = options;
    const deps = { controlChannel: this.#channel(''), nodeChannel: this.#channel(nodeUid), hear, log };
    this.#links = shards.map((shard) => new ControlLink(shard, deps));
  }

  async settled(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.settled));
  }

  async publish(data: Bytes, nodeUid: string): Promise<void> {
    if (this.#unconfirmed >= UNCONFIRMED_MAX) throw errors.tooManyRequests;
    this.#unconfirmed++;
    try {
      await this.#next().publish(this.#channel(nodeUid), data);
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

  /** The next healthy one; if there is none, one that says why not. */
  #next(): ControlLink {
    for (let tried = 0; tried < this.#links.length; tried++) {
      const link = this.#links[this.#round++ % this.#links.length]!;
      if (link.healthy) return link;
    }
    return this.#links[0]!;
  }

  #channel(nodeUid: string): string {
    const { prefix } = this.options;
    return nodeUid === '' ? `${prefix}.control` : `${prefix}.node.${nodeUid}`;
  }
}
