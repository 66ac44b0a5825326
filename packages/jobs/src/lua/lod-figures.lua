--[[
Counts the jobs of a pool by level of detail.

Input:
  KEYS[1] the pool's open jobs
  `pool`; `lods`

Output:
  for each of `lods`: how many jobs have not begun and are not parked, when the oldest of them was created (or empty), how
  many are parked, how many are claimed but have not begun, and how many are running
]]
--- @include "keys"
--- @include "states"
--- @include "queue/work-items"

-- Claimed and running jobs that are read: enough for a thousand GPUs or more. Beyond that, jobs count as waiting.
local MOST_READ = 2000
-- Held back jobs that are skipped to find the oldest of the others.
local MOST_PASSED_OVER = 100

local pool = args.pool
local claimed, running = {}, {}
local function count(counts, signature)
  local lod = string.match(signature or '', '^[^|]+') or ''
  counts[lod] = (counts[lod] or 0) + 1
end
for _, id in ipairs(taken_work_items(pool, MOST_READ)) do
  local status, phase, signature = unpack(redis.call('HMGET', job_key(id), 'status', 'phase', 'signature'))
  if status == QUEUED and phase ~= WAITING then count(claimed, signature) end
end
for _, id in ipairs(redis.call('SRANDMEMBER', running_key(pool), MOST_READ)) do
  count(running, redis.call('HGET', job_key(id), 'signature'))
end
-- The waiting jobs of keys at their limit are held back.
local held_back, parked = {}, {}
for _, key in ipairs(redis.call('SRANDMEMBER', keys_at_limit_key(pool), MOST_READ)) do
  held_back[key] = true
  local waiting = redis.call('HGETALL', waiting_like_key(pool, key))
  for n = 1, #waiting, 2 do
    local lod = string.match(waiting[n], '^[^|]+')
    parked[lod] = (parked[lod] or 0) + waiting[n + 1]
  end
end
-- The oldest job that is not held back, among the first ones.
local function oldest_in(lane)
  local ids = redis.call('ZRANGE', lane, 0, MOST_PASSED_OVER - 1, 'WITHSCORES')
  for n = 1, #ids, 2 do
    local key, phase = unpack(redis.call('HMGET', job_key(ids[n]), 'key', 'phase'))
    if phase ~= WAITING or not held_back[key] then return ids[n + 1] end
  end
  return ''
end
local replies = {}
for _, lod in ipairs(args.lods) do
  local waiting = redis.call('ZCARD', lod_backlog_key(pool, lod)) - (parked[lod] or 0)
  replies[#replies + 1] = {waiting, oldest_in(lod_backlog_key(pool, lod)), parked[lod] or 0, claimed[lod] or 0,
    running[lod] or 0}
end
return replies
