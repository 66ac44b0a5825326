--[[
Where a work item that anybody may take lies, as BullMQ has it.
]]
--- @include "keys"
--- @include "constants"

-- A score is priority · 2^32 + counter.
local function put_in_queue(pool, job_id)
  local counter = redis.call('INCR', priority_counter_key(pool)) % 4294967296
  redis.call('ZADD', prioritized_key(pool), string.format('%.0f', PRIORITY * 4294967296 + counter), job_id)
end
local function is_in_queue(pool, job_id) return redis.call('ZSCORE', prioritized_key(pool), job_id) end
-- Of those that wait for work, one goes and looks.
local function wake_worker(pool) redis.call('ZADD', marker_key(pool), 0, '0') end
