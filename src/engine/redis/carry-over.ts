/**
 * Carries the stream of a channel over from one shard to another, so that epoch, offsets, history and version go on there.
 *
 *     old shard                                          new shard
 *     1. take: fence the stream, read all of it
 *                                                        2. put: make the stream, unless it was put already
 *     3. drop what was taken, keep the fence
 *
 * The fence is a field `moved` in the stream's meta hash. Our scripts check it before they do anything and answer that the
 * channel has moved, so nothing can be added to what was taken. It holds a random token, which `put` leaves at the new
 * shard in a field `carried`, with epoch and offset as they were. That makes every step repeatable:
 *
 *   - Any node may begin, or finish what another has begun: `take` answers the same until 3 was done. A crash between the
 *     steps loses nothing, because nothing is dropped before it is elsewhere.
 *   - Several nodes may do it at once, however late: `put` does nothing where its token is.
 *   - `put` replaces whatever else it finds, a fence (the channel comes back) or a stream that was left behind when shards
 *     changed without carrying over. Taking that for the channel's stream would let clients recover from it, and miss
 *     what was published in between.
 *   - Two names of the same Redis do no harm: `put` replaces the fence, and 3 drops nothing without it.
 *   - A channel that has no stream at the old shard is fenced too, before it gets one at the new shard. Otherwise a node that
 *     still uses the old shard could make a second one there.
 *   - A failover at the old shard may lose the fence, and bring the stream back. It is recognised by the same epoch at both
 *     shards (`carried_e`): what is at the new one goes on. Where something was added to what came back, there are two streams with the
 *     same offsets, so that it goes on with a new epoch, and whoever relied on the old one is told.
 *
 * The fence lives for {@link FENCE_MS} after the last step: longer than nodes can be in doubt about each other, and not so
 * long that it stood in the way when the old list comes back. Afterwards {@link whereIs} goes by `carried`.
 *
 * Not carried over: results of idempotent publishes, which {@link resultAt} finds at the old shard until they expire.
 * The stream goes in one piece; both servers stand still for it, a few ms per 1000 publications.
 */
import { randomBytes } from 'node:crypto';
import { type ClientError, errors } from '../../protocol/codes.js';
import type { StreamPosition } from '../../protocol/messages.js';
import { script } from './scripts.js';
import type { Reply, Script, Shard } from './shard.js';

const FENCE_MS = 3_600_000;

/**
 * What a broker fails with when it meets a fence; this very object. To clients it is code 100: a node that does not know
 * where the channel has moved cannot say more.
 */
export const channelMoved: ClientError = { ...errors.internal };

/** The names of a channel's keys at a shard. */
export interface ChannelKeys {
  /** Stream, or list in list mode. */
  readonly data: string;
  readonly meta: string;
  result(idempotencyKey: string): string;
}

export type KeysAt = (shard: Shard, channel: string) => ChannelKeys;

/** KEYS meta, data. ARGV token, ms. Answers the token, and what there is to put elsewhere. */
const takeScript = script(
  'take',
  `
local meta, data = KEYS[1], KEYS[2]
local token = redis.call('hget', meta, 'moved')
if not token then
  token = ARGV[1]
  redis.call('hset', meta, 'moved', token)
  if redis.call('hexists', meta, 'e') == 0 then redis.call('pexpire', meta, ARGV[2]) end
end
if redis.call('hexists', meta, 'e') == 0 then return {token} end
local type = redis.call('type', data)['ok']
local entries = {}
if type == 'stream' then entries = redis.call('xrange', data, '-', '+') end
if type == 'list' then entries = redis.call('lrange', data, 0, -1) end
return {token, redis.call('hgetall', meta), redis.call('pttl', meta), type, entries, redis.call('pttl', data)}
`,
);

/**
 * KEYS meta, data. ARGV token, epoch, top offset, ms left of meta, ms left of data, type of data, number of fields, fields,
 * entries. Without epoch there was no stream: what is here remains, only a fence goes.
 */
const putScript = script(
  'put',
  `
local meta, data = KEYS[1], KEYS[2]
local token, epoch, top = ARGV[1], ARGV[2], ARGV[3]
local here = redis.call('hmget', meta, 'e', 'moved', 'carried', 'carried_e', 'carried_s')
if here[3] == token then return 0 end
local fence_was_lost = here[4] == epoch and epoch ~= '' and not here[2]
if fence_was_lost and here[5] ~= top and here[1] == epoch then redis.call('hset', meta, 'e', token) end
if not fence_was_lost and (epoch ~= '' or here[2]) then
  redis.call('del', meta, data)
  local at = 8
  for _ = 1, ARGV[7] do
    redis.call('hset', meta, ARGV[at], ARGV[at + 1])
    at = at + 2
  end
  while at <= #ARGV do
    if ARGV[6] == 'list' then
      redis.call('rpush', data, ARGV[at])
      at = at + 1
    else
      redis.call('xadd', data, ARGV[at], ARGV[at + 1], ARGV[at + 2])
      at = at + 3
    end
  end
  if tonumber(ARGV[4]) > 0 then redis.call('pexpire', meta, ARGV[4]) end
  if tonumber(ARGV[5]) > 0 then redis.call('pexpire', data, ARGV[5]) end
end
redis.call('hset', meta, 'carried', token)
if epoch ~= '' or not here[4] then redis.call('hset', meta, 'carried_e', epoch, 'carried_s', top) end
return 1
`,
);

/** KEYS meta, data. ARGV token, ms. Leaves the fence. */
const dropScript = script(
  'drop',
  `
local meta = KEYS[1]
if redis.call('hget', meta, 'moved') ~= ARGV[1] then return 0 end
redis.call('del', KEYS[2], meta)
redis.call('hset', meta, 'moved', ARGV[1])
redis.call('pexpire', meta, ARGV[2])
return 1
`,
);

/** Steps 1 to 3. Rejects with a {@link ClientError} when a shard is away; it can then be done again, by any node. */
export async function carryOver(channel: string, from: Shard, to: Shard, keysAt: KeysAt): Promise<void> {
  const old = keysAt(from, channel);
  const now = keysAt(to, channel);
  const fresh = randomBytes(8).toString('hex');
  const taken = (await runScript(from, takeScript, old, [fresh, String(FENCE_MS)])) as Reply[];
  const token = String(taken[0]);
  const isEmpty = taken.length === 1;
  await runScript(to, putScript, now, [token, ...(isEmpty ? NO_STREAM : putArguments(taken))]);
  if (!isEmpty) await runScript(from, dropScript, old, [token, String(FENCE_MS)]);
}

const NO_STREAM = ['', '0', '0', '0', 'none', '0'];

/** Of what it was carried over with before, nothing is told to the next shard. */
const OWN_FIELDS = new Set(['moved', 'carried', 'carried_e', 'carried_s']);

function putArguments([, flat, metaMs, type, entries, dataMs]: Reply[]): (string | Uint8Array)[] {
  const fields = new Map<string, Buffer>();
  const all = flat as Buffer[];
  for (let i = 0; i < all.length; i += 2) fields.set(String(all[i]), all[i + 1]!);
  for (const field of OWN_FIELDS) fields.delete(field);
  const kind = String(type);
  const args: (string | Uint8Array)[] = [fields.get('e')!, fields.get('s') ?? '0'];
  args.push(String(metaMs), String(dataMs), kind, String(fields.size), ...[...fields].flat());
  for (const entry of entries as Reply[]) {
    if (kind === 'list') args.push(entry as Buffer);
    else {
      // An entry of a stream has one field, `d`.
      const [id, values] = entry as [Buffer, Buffer[]];
      args.push(id, ...values);
    }
  }
  return args;
}

/**
 * Where a channel's stream is, for a node that uses the old shard until all others can use the new one.
 * 'moved': it was fenced, or should be; carrying it over does what is left to do.
 */
export async function whereIs(
  channel: string,
  from: Shard,
  to: Shard,
  keysAt: KeysAt,
): Promise<'old' | 'new' | 'moved'> {
  const state = async (shard: Shard) => {
    const { meta } = keysAt(shard, channel);
    const fields = (await runCommand(shard, meta, ['HMGET', meta, 'e', 'moved', 'carried_e'])) as (Buffer | null)[];
    const [epoch, moved, carriedEpoch] = fields.map((field) => field?.toString());
    return { epoch, moved: moved !== undefined, carriedEpoch };
  };
  const [old, now] = await Promise.all([state(from), state(to)]);
  if (old.moved) return 'moved';
  const isAtNew = now.carriedEpoch !== undefined && !now.moved;
  if (old.epoch === undefined) return isAtNew ? 'new' : 'old';
  return isAtNew && now.carriedEpoch === old.epoch ? 'moved' : 'old';
}

/** What an idempotent publish at this shard has led to; undefined when there was none, or it has expired. */
export async function resultAt(
  channel: string,
  idempotencyKey: string,
  shard: Shard,
  keysAt: KeysAt,
): Promise<StreamPosition | undefined> {
  const key = keysAt(shard, channel).result(idempotencyKey);
  const [epoch, offset] = (await runCommand(shard, key, ['HMGET', key, 'e', 's'])) as Reply[];
  return epoch === null ? undefined : { epoch: String(epoch), offset: Number(offset ?? 0) };
}

function runScript(
  shard: Shard,
  script: Script,
  { meta, data }: ChannelKeys,
  args: readonly (string | Uint8Array)[],
): Promise<Reply> {
  return new Promise((reply, fail) => shard.script(script, [meta, data], args, { reply, fail }));
}

function runCommand(shard: Shard, key: string, args: readonly string[]): Promise<Reply> {
  return new Promise((reply, fail) => shard.command(key, args, { reply, fail }));
}
