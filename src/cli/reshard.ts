import type { RedisConfig } from '../config/redis/shards.js';
import { deploymentId, readShards, type ShardList } from '../config/redis/shards.js';
import { fingerprint, placementOf } from '../engine/redis/sharding.js';

/** One of two configurations: a section about Redis, which was checked. */
export interface Side {
  readonly at: string;
  readonly redis: RedisConfig & { readonly prefix: string };
}

export interface ShardChange {
  /** As it is called in the new configuration, or in the old one where it is in that alone. */
  readonly name: string;
  /** Where it is; no secrets. */
  readonly place: string;
  readonly status: 'stays' | 'added' | 'removed';
  /** Channels, of those that were looked at. */
  readonly before: number;
  readonly after: number;
  readonly leave: number;
  readonly arrive: number;
}

export interface Move {
  readonly from: string;
  readonly to: string;
  readonly channels: number;
}

export interface ReshardPlan {
  /** Channels that were looked at. */
  readonly channels: number;
  readonly moved: number;
  readonly shards: readonly ShardChange[];
  /** Largest first. */
  readonly moves: readonly Move[];
  /** Moved channels keep their position and history, because the new configuration names the former list. */
  readonly keepsHistory: boolean;
  /** What the operator may not expect. Where history is lost, why. */
  readonly warnings: readonly string[];
}

interface Place {
  name: string;
  place: string;
  inOld: boolean;
  inNew: boolean;
  before: number;
  after: number;
  leave: number;
  arrive: number;
}

/** What changes for `channels` when nodes with the configuration `from` are replaced by nodes with `to`. */
export function planResharding(from: Side, to: Side, channels: readonly string[]): ReshardPlan {
  const before = readShards(from.redis, from.at, () => {});
  const after = readShards(to.redis, to.at, () => {});
  const places = collectPlaces(before, after);
  const moves = countMoves(before, after, channels, places);
  const moved = moves.reduce((sum, { channels: count }) => sum + count, 0);
  const samePrefix = from.redis.prefix === to.redis.prefix;
  const isFormer = after.previous !== undefined && fingerprint(after.previous) === fingerprint(before);
  const keepsHistory = samePrefix && (moved === 0 || isFormer);
  const warnings = [
    ...(samePrefix ? [] : ['the prefix changes: every channel starts anew, without history and presence']),
    ...warnOfPrevious(before, after.previous, to.at, moved > 0),
    ...warnOfMode(before, after),
    ...warnOfNames(before, after),
  ];
  const shards = [...places.values()].map(({ inOld, inNew, ...rest }): ShardChange => {
    return { ...rest, status: inOld && inNew ? 'stays' : inNew ? 'added' : 'removed' };
  });
  return { channels: channels.length, moved, shards, moves, keepsHistory, warnings };
}

function collectPlaces(before: ShardList, after: ShardList): Map<string, Place> {
  const places = new Map<string, Place>();
  const add = (list: ShardList, isNew: boolean): void => {
    for (const shard of list.shards) {
      const place = deploymentId(shard);
      const known = places.get(place);
      const fresh = { name: shard.name, place, inOld: !isNew, before: 0, after: 0, leave: 0, arrive: 0 };
      if (known === undefined) places.set(place, { ...fresh, inNew: isNew });
      else Object.assign(known, { inNew: true, name: shard.name });
    }
  };
  add(before, false);
  add(after, true);
  return places;
}

function countMoves(
  before: ShardList,
  after: ShardList,
  channels: readonly string[],
  places: Map<string, Place>,
): Move[] {
  const [old, now] = [placementOf(before), placementOf(after)];
  const oldPlaces = before.shards.map((shard) => places.get(deploymentId(shard))!);
  const newPlaces = after.shards.map((shard) => places.get(deploymentId(shard))!);
  const moves = new Map<Place, Map<Place, number>>();
  for (const channel of channels) {
    const from = oldPlaces[old.shardFor(channel)]!;
    const to = newPlaces[now.shardFor(channel)]!;
    from.before++;
    to.after++;
    if (from === to) continue;
    from.leave++;
    to.arrive++;
    const targets = moves.get(from) ?? new Map<Place, number>();
    moves.set(from, targets.set(to, (targets.get(to) ?? 0) + 1));
  }
  // A name can go from one place to another.
  const isUnique = (name: string): boolean => [...places.values()].filter((it) => it.name === name).length === 1;
  const show = ({ name, place }: Place): string => (isUnique(name) ? name : `${name} (${place})`);
  const list = [...moves].flatMap(([from, targets]) =>
    [...targets].map(([to, count]) => ({ from: show(from), to: show(to), channels: count })),
  );
  return list.sort((a, b) => b.channels - a.channels);
}

function* warnOfPrevious(before: ShardList, previous: ShardList | undefined, at: string, moves: boolean) {
  if (previous === undefined) {
    if (moves) yield `channels that move lose their history: set ${at}.previous_address to the former list`;
    return;
  }
  if (!moves) {
    yield `no channel moves: ${at}.previous_address is not needed`;
    return;
  }
  const named = new Set(previous.shards.map(deploymentId));
  const missing = before.shards.filter((shard) => !named.has(deploymentId(shard)));
  for (const shard of missing) {
    yield `the shard "${shard.name}" (${deploymentId(shard)}) is not in ${at}.previous_address: its history is lost`;
  }
  if (missing.length > 0 || fingerprint(previous) === fingerprint(before)) return;
  if (previous.mode !== before.mode) yield `${at}.previous_sharding must be "${before.mode}": history is lost`;
  else yield `${at}.previous_address is not the former list (order, names, weights): history is lost`;
}

function* warnOfMode(before: ShardList, after: ShardList) {
  if (before.shards.length > 1 && after.shards.length > 1 && before.mode !== after.mode) {
    yield `sharding changes from "${before.mode}" to "${after.mode}": most channels move`;
  }
  if (before.mode !== 'jump' || after.mode !== 'jump') return;
  const [old, now] = [before, after].map(({ shards }) => shards.map(deploymentId));
  const common = Math.min(old!.length, now!.length);
  if (old!.slice(0, common).join() !== now!.slice(0, common).join()) {
    yield 'with sharding "jump" shards can be added and removed at the end of the list only; here others change their number';
  }
}

function* warnOfNames(before: ShardList, after: ShardList) {
  const present = new Map(after.shards.map((shard) => [deploymentId(shard), shard]));
  const byName = new Map(after.shards.map((shard) => [shard.name, shard]));
  for (const shard of before.shards) {
    const place = deploymentId(shard);
    const now = present.get(place);
    if (now !== undefined && now.name !== shard.name && after.mode === 'ring') {
      yield `the shard at ${place} is renamed from "${shard.name}" to "${now.name}", which moves its channels; keep shard_name=${shard.name}`;
    }
    const successor = byName.get(shard.name);
    if (now === undefined && successor !== undefined) {
      yield `the shard "${shard.name}" goes from ${place} to ${deploymentId(successor)}; without previous_address move its data too`;
    }
  }
}
