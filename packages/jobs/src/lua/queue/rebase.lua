--[[
Subtracts V (but for some slack) from V, from every flow, from every open record and from every work item of a pool,
so that ranks stay far below BullMQ's ceiling.

Input:
  KEYS[1] the pool's ranks
  ARGV[1] prefix
  ARGV[2] pool
  ARGV[3] the V from which it is worth while

Output:
  what was subtracted
]]
--- @include "keys"

-- What is left of V: jobs given back, or waiting with V itself, have ranks just below and keep their order.
local SLACK = 100000

local pool, threshold = ARGV[2], tonumber(ARGV[3])
local V = tonumber(redis.call('HGET', KEYS[1], 'V') or 0)
if V < threshold then return 0 end
local excess = V - SLACK
local ranks = redis.call('HGETALL', KEYS[1])
for i = 1, #ranks, 2 do redis.call('HSET', KEYS[1], ranks[i], math.max(0, tonumber(ranks[i + 1]) - excess)) end
for _, id in ipairs(redis.call('ZRANGE', open_key(pool), 0, -1)) do
  local rank = tonumber(redis.call('HGET', job_key(id), 'rank') or '')
  if rank then
    rank = math.max(1, rank - excess)
    redis.call('HSET', job_key(id), 'rank', rank)
    if redis.call('EXISTS', work_item_key(pool, id)) == 1 then
      redis.call('HSET', work_item_key(pool, id), 'priority', rank)
    end
  end
end
local items = redis.call('ZRANGE', prioritized_key(pool), 0, -1, 'WITHSCORES')
for i = 1, #items, 2 do
  local score = tonumber(items[i + 1])
  local rank, counter = math.floor(score / 4294967296), score % 4294967296
  local rebased = string.format('%.0f', math.max(1, rank - excess) * 4294967296 + counter)
  redis.call('ZADD', prioritized_key(pool), rebased, items[i])
end
return excess
