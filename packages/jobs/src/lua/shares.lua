--[[
What keys have waiting and executing, over all pools; changes nothing.

Input:
  KEYS[1] the names of the pools
  ARGV[1] prefix

Output:
  of each pool and key with jobs that wait for their first claim: pool, key, how many, 1 if the key is held back, and
  the creation and the weight (empty: 1) of the oldest;
  of each job that executes: pool, key, since when, and its weight (empty: 1)
]]
--- @include "scheduling/waiting"

-- Of more, those that were served least are looked at, and then those that are held back.
local MOST_KEYS = 1000
-- Some thousand GPUs; of more jobs the rest counts when it ends.
local MOST_RUNNING = 2000

local function oldest_of(pool, key)
  local oldest
  for _, first in ipairs(firsts_of_levels(pool, key)) do
    if not oldest or first.number < oldest.number then oldest = first end
  end
  return oldest and oldest.id
end
local waiting, running = {}, {}
local function look_at(pool, keys, held_back)
  for _, key in ipairs(keys) do
    if #waiting >= MOST_KEYS then return end
    local oldest = oldest_of(pool, key)
    if oldest then
      local created_at, weight = unpack(redis.call('HMGET', job_key(oldest), 'created_at', 'weight'))
      local jobs = redis.call('ZCARD', waiting_of_key(pool, key))
      waiting[#waiting + 1] = {pool, key, jobs, held_back, created_at or '', weight or ''}
    end
  end
end
for _, pool in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  look_at(pool, redis.call('ZRANGE', turns_key(pool), 0, MOST_KEYS - 1), 0)
  look_at(pool, redis.call('SRANDMEMBER', held_back_key(pool), MOST_KEYS), 1)
  for _, job in ipairs(redis.call('SRANDMEMBER', running_key(pool), MOST_RUNNING)) do
    local key, started_at, weight = unpack(redis.call('HMGET', job_key(job), 'key', 'started_at', 'weight'))
    running[#running + 1] = {pool, key or '', started_at or '', weight or ''}
  end
end
return {waiting, running}
