import { deploymentId, type ShardList } from '../../config/redis/shards.js';
import { carryOver, type KeysAt, resultAt, whereIs } from './carry-over.js';
import type { Moves } from './moving-broker.js';
import type { ShardOptions } from './options.js';
import type { Shard } from './shard.js';
import { type Placement, placementOf } from './sharding.js';

/** A list of shards, opened. */
export interface PlacedShards {
  readonly placement: Placement;
  readonly shards: readonly Shard[];
}

/** Opens the shards of several lists; one that is in more than one of them is opened once, as the first of them says. */
export function openLists<S extends Shard>(
  lists: readonly ShardList[],
  open: (options: ShardOptions) => S,
): (PlacedShards & { readonly shards: readonly S[] })[] {
  const opened = new Map<string, S>();
  const openOnce = (options: ShardOptions): S => {
    const id = deploymentId(options);
    const shard = opened.get(id) ?? open(options);
    opened.set(id, shard);
    return shard;
  };
  return lists.map((list) => ({ placement: placementOf(list), shards: list.shards.map(openOnce) }));
}

/** Whether, and how, channels move from one list of shards to another. */
export class ShardMoves implements Moves {
  constructor(
    private readonly before: PlacedShards,
    private readonly now: PlacedShards,
    private readonly keysAt: KeysAt,
  ) {}

  readonly isMoving = (channel: string): boolean => this.#from(channel) !== this.#to(channel);

  whereIs(channel: string): Promise<'old' | 'new' | 'moved'> {
    return whereIs(channel, this.#from(channel), this.#to(channel), this.keysAt);
  }

  carryOver(channel: string): Promise<void> {
    return carryOver(channel, this.#from(channel), this.#to(channel), this.keysAt);
  }

  resultOf(channel: string, idempotencyKey: string): ReturnType<typeof resultAt> {
    return resultAt(channel, idempotencyKey, this.#from(channel), this.keysAt);
  }

  #from(channel: string): Shard {
    return this.before.shards[this.before.placement.shardFor(channel)]!;
  }

  #to(channel: string): Shard {
    return this.now.shards[this.now.placement.shardFor(channel)]!;
  }
}
