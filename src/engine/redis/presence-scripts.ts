/**
 * Presence in Redis (keys.ts), as Centrifugo keeps it. With field TTLs, `hf` here, a hash forgets its fields itself (Redis 7.4)
 * and there are no sorted sets; with user mapping, `um`, users are counted as well.
 */
import { script } from './scripts.js';

/** What has expired is forgotten before anything is shown. KEYS expire, data. ARGV now. */
const FORGET = `
local function forget(expire, data, now)
  local gone = redis.call('zrangebyscore', expire, '0', now)
  if #gone == 0 then return end
  for i = 1, #gone do redis.call('hdel', data, gone[i]) end
  redis.call('zremrangebyscore', expire, '0', now)
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
local um, hf = ARGV[3] == '1', ARGV[4] == '1'
local was_there = redis.call('hdel', KEYS[2], ARGV[1]) == 1
if not hf then redis.call('zrem', KEYS[1], ARGV[1]) end
if um and was_there and redis.call('hincrby', KEYS[4], ARGV[2], -1) <= 0 then
  redis.call('hdel', KEYS[4], ARGV[2])
  if not hf then redis.call('zrem', KEYS[3], ARGV[2]) end
end
return 1
`,
);

/** KEYS expire, data. ARGV now, hf. Answers clients and infos in turn. */
export const presenceScript = script(
  'presence',
  `
${FORGET}
if ARGV[2] ~= '1' then forget(KEYS[1], KEYS[2], ARGV[1]) end
return redis.call('hgetall', KEYS[2])
`,
);

/** With user mapping. KEYS as in {@link addPresenceScript}. ARGV now, hf. Answers {clients, users}. */
export const presenceStatsScript = script(
  'presence_stats',
  `
${FORGET}
if ARGV[2] ~= '1' then
  forget(KEYS[1], KEYS[2], ARGV[1])
  forget(KEYS[3], KEYS[4], ARGV[1])
end
return {redis.call('hlen', KEYS[2]), redis.call('hlen', KEYS[4])}
`,
);
