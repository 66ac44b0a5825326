--[[
How the lanes of a pool stand; changes nothing.

Input:
  KEYS[1] the pool's open jobs
  ARGV[1] prefix
  ARGV[2] pool
  ARGV[3…] lods

Output:
  for each lod how many jobs have not begun and are not parked, the oldest of these's creation (or empty), and
  how many are
  parked, claimed and not begun, and running
]]
--- @include "keys"
--- @include "queue/taken"

-- Jobs in workers' hands that are looked at: some thousand GPUs. Of more, the rest counts as waiting.
local MOST_LOOKED_AT = 2000

local pool = ARGV[2]
local claimed, running = {}, {}
local function count(counts, signature)
  local lod = string.match(signature or '', '^[^|]+') or ''
  counts[lod] = (counts[lod] or 0) + 1
end
for _, id in ipairs(taken_work_items(pool, MOST_LOOKED_AT)) do
  local status, phase, signature = unpack(redis.call('HMGET', job_key(id), 'status', 'phase', 'signature'))
  if status == 'queued' and phase ~= 'waiting' then count(claimed, signature) end
end
for _, id in ipairs(redis.call('SRANDMEMBER', running_key(pool), MOST_LOOKED_AT)) do
  count(running, redis.call('HGET', job_key(id), 'signature'))
end
local replies = {}
for n = 3, #ARGV do
  local lod = ARGV[n]
  local oldest = redis.call('ZRANGE', lane_key(pool, lod), 0, 0, 'WITHSCORES')[2]
  replies[#replies + 1] = {redis.call('ZCARD', lane_key(pool, lod)), oldest or '',
    redis.call('ZCARD', parked_lane_key(pool, lod)), claimed[lod] or 0, running[lod] or 0}
end
return replies
