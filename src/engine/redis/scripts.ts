/**
 * What happens to a stream in Redis in one step. Keys and fields are Centrifugo's (keys.ts), and so is what becomes of them.
 * Every script first looks for the fence of a channel that was carried over to another shard, and then does nothing but say so.
 */
import { createHash } from 'node:crypto';
import type { Script } from './shard.js';

export function script(name: string, lua: string, publishes = false): Script {
  return { name, lua, sha: createHash('sha1').update(lua).digest('hex'), publishes };
}

/** What a script answers instead of anything else when it meets the fence. */
export const MOVED = 'moved';
/** In the results of {@link publishManyScript}: what went wrong with one group follows. */
export const FAILED = '!';

/**
 * Publications that want nothing but a place in their stream, for several channels at once. Those of one channel share what
 * is done for the channel: its meta data is read and written once, and it lives longer once.
 *
 * One call with 64 publications takes a third less of Redis' time than 64 calls if they are for 64 channels, and 60 % less if
 * they are for one; most of a call is finding and starting the script.
 *
 * KEYS  for each channel: data, meta
 * ARGV  new epoch, where in ARGV the publications begin; for each channel their number, and before the first and wherever
 *       they change: '', size, seconds of data, seconds of meta (0: for ever), '1' for deltas;
 *       for each channel: PUB/SUB channel, epoch as far as known, publications
 * Answers for each channel the offset of the last; or '<that offset>:<epoch>' where another epoch was thought, 'moved', or
 * '!<error>'. A channel that fails does not keep the others from being published.
 */
export const publishManyScript = script(
  'publish_many',
  `
local call = redis.call
local at, place = 3, tonumber(ARGV[2])
local size, data_seconds, meta_seconds, deltas

local function publish(data, meta)
  local known = call('hmget', meta, 'e', 'moved')
  local epoch = known[1]
  if known[2] then return '${MOVED}' end
  if not epoch then
    epoch = ARGV[1]
    call('hset', meta, 'e', epoch)
  end
  local channel, count = ARGV[place], ARGV[at]
  local offset = call('hincrby', meta, 's', count) - count
  if meta_seconds ~= '0' then call('expire', meta, meta_seconds) end
  -- The data may have outlived its meta data, which Redis had evicted.
  if offset == 0 then call('del', data) end
  local previous = ''
  if deltas and offset > 0 then
    local newest = call('xrevrange', data, '+', '-', 'COUNT', 1)
    if newest[1] then previous = newest[1][2][2] end
  end
  for i = place + 2, place + 1 + count do
    local publication = ARGV[i]
    offset = offset + 1
    call('xadd', data, 'MAXLEN', size, offset, 'd', publication)
    if deltas then
      call('publish', channel, '__d1:' .. offset .. ':' .. epoch .. ':' .. #previous .. ':' .. previous ..
        ':' .. #publication .. ':' .. publication)
      previous = publication
    else
      call('publish', channel, '__p1:' .. offset .. ':' .. epoch .. '__' .. publication)
    end
  end
  call('expire', data, data_seconds)
  if epoch == ARGV[place + 1] then return offset end
  return offset .. ':' .. epoch
end

local results = {}
for i = 1, #KEYS / 2 do
  if ARGV[at] == '' then
    size, data_seconds, meta_seconds, deltas = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4] == '1'
    at = at + 5
  end
  local ok, result = pcall(publish, KEYS[2 * i - 1], KEYS[2 * i])
  if not ok then result = '${FAILED}' .. (type(result) == 'table' and result.err or tostring(result)) end
  results[i] = result
  place = place + 2 + ARGV[at]
  at = at + 1
end
return results
`,
  true,
);

/**
 * Of {@link publishScript}, how the data is kept: what finds `previous`, and what adds the publication. They are pieces and
 * not functions, because a function in a script is made anew by every call, which took 4 % of its time.
 */
interface Keeping {
  readonly findPrevious: string;
  readonly append: string;
}

const KEEP_IN_STREAM: Keeping = {
  findPrevious: `
  local entries = redis.call('xrevrange', data, '+', '-', 'COUNT', 1)
  previous = entries[1] and entries[1][2][2] or ''`,
  append: `
redis.call('xadd', data, 'MAXLEN', ARGV[2], offset, 'd', ARGV[1])`,
};

/** Centrifugo sends the newest item along as it is, which its own nodes then refuse, and with it the publication. */
const KEEP_IN_LIST: Keeping = {
  findPrevious: `
  local item = redis.call('lindex', data, 0)
  previous = item and string.match(item, '^__p1:%d+:.-__(.*)$') or ''`,
  append: `
redis.call('lpush', data, '__p1:' .. offset .. ':' .. epoch .. '__' .. ARGV[1])
redis.call('ltrim', data, 0, ARGV[2] - 1)`,
};

/**
 * One publication with all that may be asked of it.
 *
 * KEYS  data, meta, result
 * ARGV  publication, size, seconds of data, PUB/SUB channel, seconds of meta (0: for ever), new epoch, seconds of the
 *       result ('' for none), '1' for deltas, version ('0' for none), version epoch
 * Answers {offset, epoch, '' | 'idempotency' | 'version'}, or 'moved'.
 */
const publish = ({ findPrevious, append }: Keeping): string => `
local data, meta, result = KEYS[1], KEYS[2], KEYS[3]
if ARGV[7] ~= '' then
  local first = redis.call('hmget', result, 'e', 's')
  if first[1] then return {first[2] or 0, first[1], 'idempotency'} end
end
local known = redis.call('hmget', meta, 'e', 'moved')
if known[2] then return '${MOVED}' end
local epoch = known[1]
if not epoch then
  epoch = ARGV[6]
  redis.call('hset', meta, 'e', epoch)
end
local version, version_epoch = ARGV[9], ARGV[10]
if version ~= '0' then
  -- Few ask for it, and every field that is read takes its time.
  local last = redis.call('hmget', meta, 'v', 've', 's')
  local same_order = version_epoch == '' or version_epoch == last[2]
  if last[1] and same_order and tonumber(version) <= tonumber(last[1]) then
    return {last[3] or 0, epoch, 'version'}
  end
  redis.call('hset', meta, 'v', version, 've', version_epoch)
end
local offset = redis.call('hincrby', meta, 's', 1)
if ARGV[5] ~= '0' then redis.call('expire', meta, ARGV[5]) end
-- The data may have outlived its meta data, which Redis had evicted.
if offset == 1 then redis.call('del', data) end
local previous = ''
if ARGV[8] == '1' then ${findPrevious}
end
${append}
redis.call('expire', data, ARGV[3])
if ARGV[8] == '1' then
  redis.call('publish', ARGV[4], '__d1:' .. offset .. ':' .. epoch .. ':' .. #previous .. ':' .. previous ..
    ':' .. #ARGV[1] .. ':' .. ARGV[1])
else
  redis.call('publish', ARGV[4], '__p1:' .. offset .. ':' .. epoch .. '__' .. ARGV[1])
end
if ARGV[7] ~= '' then
  redis.call('hset', result, 'e', epoch, 's', offset)
  redis.call('expire', result, ARGV[7])
end
return {offset, epoch, ''}
`;

export const publishScript = script('publish', publish(KEEP_IN_STREAM), true);
export const publishToListScript = script('publish_to_list', publish(KEEP_IN_LIST), true);

/**
 * A publication that is not stored, once for its key.
 *
 * KEYS  result, meta
 * ARGV  publication, PUB/SUB channel, seconds of the result
 * Answers 1 where it was published, 0 where it had been, or 'moved'.
 */
export const publishOnceScript = script(
  'publish_once',
  `
if redis.call('hexists', KEYS[1], 'e') == 1 then return 0 end
if redis.call('hexists', KEYS[2], 'moved') == 1 then return '${MOVED}' end
redis.call('publish', ARGV[2], ARGV[1])
redis.call('hset', KEYS[1], 'e', '')
redis.call('expire', KEYS[1], ARGV[3])
return 1
`,
);

/** Makes the stream's epoch where there is none. */
const FIND_POSITION = `
local data, meta = KEYS[1], KEYS[2]
local known = redis.call('hmget', meta, 'e', 's', 'moved')
if known[3] then return '${MOVED}' end
local epoch, top = known[1], known[2] or 0
if not epoch then
  epoch, top = ARGV[2], 0
  redis.call('hset', meta, 'e', epoch)
end
if ARGV[1] ~= '0' then redis.call('expire', meta, ARGV[1]) end
`;

/**
 * KEYS  data, meta
 * ARGV  seconds of meta (0: for ever), new epoch, 'xrange' | 'xrevrange' | '', from, to, most entries ('' for all)
 * Answers {top offset, epoch, entries}, or 'moved'.
 */
export const historyScript = script(
  'history',
  `
${FIND_POSITION}
if ARGV[3] == '' then return {top, epoch, {}} end
if ARGV[6] == '' then return {top, epoch, redis.call(ARGV[3], data, ARGV[4], ARGV[5])} end
return {top, epoch, redis.call(ARGV[3], data, ARGV[4], ARGV[5], 'COUNT', ARGV[6])}
`,
);

/** KEYS and ARGV as {@link historyScript}'s, of which 4 to 6 are not there. Entries are newest first. */
export const listHistoryScript = script(
  'list_history',
  `
${FIND_POSITION}
if ARGV[3] == '' then return {top, epoch, {}} end
return {top, epoch, redis.call('lrange', data, 0, -1)}
`,
);

/** KEYS data, meta. ARGV epoch, new epoch. */
export const resetEpochScript = script(
  'reset_epoch',
  `
local known = redis.call('hmget', KEYS[2], 'e', 'moved')
if known[2] then return '${MOVED}' end
if known[1] ~= ARGV[1] then return 0 end
redis.call('hset', KEYS[2], 'e', ARGV[2])
redis.call('hdel', KEYS[2], 's', 'v', 've')
redis.call('del', KEYS[1])
return 1
`,
);

/** KEYS data, meta. */
export const removeHistoryScript = script(
  'remove_history',
  `
if redis.call('hexists', KEYS[2], 'moved') == 1 then return '${MOVED}' end
return redis.call('del', KEYS[1])
`,
);
