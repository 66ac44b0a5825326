import { LUA_KEYS } from '../keys.js';

/** Jobs in workers' hands that are looked at in one pool: some thousand GPUs. Of more, the rest counts as waiting. */
const MOST_LOOKED_AT = 2000;

/**
 * How the lanes of a pool stand; changes nothing. KEYS[1] is the pool's open jobs; ARGV: prefix, pool, lods. Answers for
 * each lod how many jobs have not begun and are not parked, the oldest of these's creation (or empty), and how many are
 * parked, claimed and not begun, and running.
 */
export const standingScript = `
local P, pool = ARGV[1], ARGV[2]
${LUA_KEYS}
local claimed, running = {}, {}
local function count(counts, signature)
  local lod = string.match(signature or '', '^[^|]+') or ''
  counts[lod] = (counts[lod] or 0) + 1
end
for _, id in ipairs(redis.call('LRANGE', active_key(pool), 0, ${MOST_LOOKED_AT} - 1)) do
  local status, phase, signature = unpack(redis.call('HMGET', job_key(id), 'status', 'phase', 'signature'))
  if status == 'queued' and phase ~= 'waiting' then count(claimed, signature) end
end
for _, id in ipairs(redis.call('SRANDMEMBER', running_key(pool), ${MOST_LOOKED_AT})) do
  count(running, redis.call('HGET', job_key(id), 'signature'))
end
local replies = {}
for n = 3, #ARGV do
  local lod = ARGV[n]
  local oldest = redis.call('ZRANGE', lane_key(pool, lod), 0, 0, 'WITHSCORES')[2]
  replies[#replies + 1] = {redis.call('ZCARD', lane_key(pool, lod)), oldest or '', redis.call('ZCARD', parked_lane_key(pool, lod)),
    claimed[lod] or 0, running[lod] or 0}
end
return replies
`;
