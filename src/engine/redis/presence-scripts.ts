/**
 * Presence in Redis (keys.ts), as Centrifugo keeps it. With field TTLs, `hf` here, a hash forgets its fields itself (Redis 7.4)
 * and there are no sorted sets; with user mapping, `um`, users are counted as well.
 */
import { script } from './scripts.js';

/** One client of a user has left. KEYS as in {@link addPresenceScript}. */
const LEFT = `
local function left(user, hf)
  if redis.call('hincrby', KEYS[4], user, -1) > 0 then return end
  redis.call('hdel', KEYS[4], user)
  if not hf then redis.call('zrem', KEYS[3], user) end
end
`;

/**
 * What has expired is forgotten before anything is shown: clients, and those of them that their users were counted by. Centrifugo
 * lets a user keep them until it expires itself.
 */
const FORGET = `
${LEFT}
-- Field 1 of a ClientInfo. It stands first, and is left out where it is empty.
local function user_of(info)
  if string.byte(info, 1) ~= 10 then return '' end
  local at, length, factor = 2, 0, 1
  repeat
    local byte = string.byte(info, at) or 0
    length = length + byte % 128 * factor
    at, factor = at + 1, factor * 128
  until byte < 128
  return string.sub(info, at, at + length - 1)
end

local function forget_client(client, um)
  local info = um and redis.call('hget', KEYS[2], client)
  if redis.call('hdel', KEYS[2], client) == 1 and info then left(user_of(info), false) end
end

local function forget(now, um)
  local gone = redis.call('zrangebyscore', KEYS[1], '0', now)
  for i = 1, #gone do forget_client(gone[i], um) end
  if #gone > 0 then redis.call('zremrangebyscore', KEYS[1], '0', now) end
  gone = um and redis.call('zrangebyscore', KEYS[3], '0', now) or {}
  for i = 1, #gone do redis.call('hdel', KEYS[4], gone[i]) end
  if #gone > 0 then redis.call('zremrangebyscore', KEYS[3], '0', now) end
end
`;

/**
 * Renew some entries of a channel.
 *
 * KEYS  expire, data, user expire, user clients
 * ARGV  seconds, Unix second of expiry, um, hf, then for each entry: client, user, info
 */
export const addPresenceScript = script(
  'presence_add',
  `
local ttl, at, um, hf = ARGV[1], ARGV[2], ARGV[3] == '1', ARGV[4] == '1'
if hf then
  -- Before anything is written, which would then never expire.
  local known = redis.pcall('hexpire', KEYS[2], ttl, 'FIELDS', '1', ARGV[5])
  if known.err then return redis.error_reply('ERR presence_hash_field_ttl needs HEXPIRE (Redis 7.4): ' .. known.err) end
end
for i = 5, #ARGV, 3 do
  local client, user = ARGV[i], ARGV[i + 1]
  local is_new = redis.call('hset', KEYS[2], client, ARGV[i + 2]) == 1
  if hf then redis.call('hexpire', KEYS[2], ttl, 'FIELDS', '1', client) else redis.call('zadd', KEYS[1], at, client) end
  if um then
    if is_new then redis.call('hincrby', KEYS[4], user, 1) end
    if hf then redis.call('hexpire', KEYS[4], ttl, 'FIELDS', '1', user) else redis.call('zadd', KEYS[3], at, user) end
  end
end
redis.call('expire', KEYS[2], ttl)
if not hf then redis.call('expire', KEYS[1], ttl) end
if um then
  redis.call('expire', KEYS[4], ttl)
  if not hf then redis.call('expire', KEYS[3], ttl) end
end
return 1
`,
);

/** KEYS as above. ARGV client, user, um, hf. */
export const removePresenceScript = script(
  'presence_remove',
  `
${LEFT}
local um, hf = ARGV[3] == '1', ARGV[4] == '1'
local was_there = redis.call('hdel', KEYS[2], ARGV[1]) == 1
if not hf then redis.call('zrem', KEYS[1], ARGV[1]) end
if um and was_there then left(ARGV[2], hf) end
return 1
`,
);

/** KEYS as above. ARGV now, um, hf. Answers clients and infos in turn. */
export const presenceScript = script(
  'presence',
  `
${FORGET}
if ARGV[3] ~= '1' then forget(ARGV[1], ARGV[2] == '1') end
return redis.call('hgetall', KEYS[2])
`,
);

/** With user mapping. KEYS and ARGV as above. Answers {clients, users}. */
export const presenceStatsScript = script(
  'presence_stats',
  `
${FORGET}
if ARGV[3] ~= '1' then forget(ARGV[1], true) end
return {redis.call('hlen', KEYS[2]), redis.call('hlen', KEYS[4])}
`,
);
