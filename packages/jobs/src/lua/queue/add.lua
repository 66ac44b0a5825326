--[[
A work item for each new job, in the same step as its record.
]]
--- @include "keys"

-- As queue.add of BullMQ 6.7 does it (its addPrioritizedJob script), but for its own stream of events; a test holds
-- them alike.
local function add_work_item(pool, job_id, rank, now)
  local priority = string.format('%d', rank)
  local opts = '{"removeOnFail":true,"removeOnComplete":true,"priority":' .. priority .. '}'
  redis.call('HSET', work_item_key(pool, job_id), 'name', 'job', 'data', '{}', 'opts', opts, 'timestamp', now,
    'delay', 0, 'priority', priority)
  local counter = redis.call('INCR', priority_counter_key(pool)) % 4294967296
  redis.call('ZADD', prioritized_key(pool), string.format('%.0f', rank * 4294967296 + counter), job_id)
end
-- Those that will be served before the last of that rank. A score is rank · 2^32 + counter.
local function ahead_of(pool, rank)
  local below = string.format('(%.0f', (rank + 1) * 4294967296)
  return redis.call('ZCOUNT', prioritized_key(pool), '-inf', below) - 1 + redis.call('LLEN', wait_list_key(pool))
end
-- After items were added.
local function wake_workers(pool)
  -- Nobody reads BullMQ's own stream of events.
  redis.call('HSETNX', queue_meta_key(pool), 'opts.maxLenEvents', 1)
  redis.call('ZADD', marker_key(pool), 0, '0')
end
