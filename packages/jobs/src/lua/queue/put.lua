--[[
Where a work item that anybody may take lies, as BullMQ has it.
]]
--- @include "keys"
--- @include "constants"

-- An event of BullMQ's, for its QueueEvents.
local function emit_work_event(pool, job_id, event, ...)
  redis.call('XADD', work_events_key(pool), 'MAXLEN', '~', WORK_EVENTS_KEPT, '*', 'event', event, 'jobId', job_id, ...)
end
-- A score is priority · 2^32 + counter.
local function put_in_queue(pool, job_id)
  local counter = redis.call('INCR', priority_counter_key(pool)) % 4294967296
  redis.call('ZADD', prioritized_key(pool), string.format('%.0f', PRIORITY * 4294967296 + counter), job_id)
  emit_work_event(pool, job_id, 'waiting')
end
local function is_in_queue(pool, job_id) return redis.call('ZSCORE', prioritized_key(pool), job_id) end
-- Of those that wait for work, one goes and looks.
local function wake_worker(pool) redis.call('ZADD', marker_key(pool), 0, '0') end
