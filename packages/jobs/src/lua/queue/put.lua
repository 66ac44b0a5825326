--[[
A pool's queue, as BullMQ has it.
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
-- Out of whatever list of the queue it is in. Answers in how many it was.
local function leave_lists(pool, job_id)
  return redis.call('ZREM', prioritized_key(pool), job_id) + redis.call('ZREM', delayed_key(pool), job_id)
    + redis.call('LREM', wait_list_key(pool), 0, job_id) + redis.call('LREM', active_key(pool), 0, job_id)
end
-- The item of a job that ended without its worker: it is kept as failed, as BullMQ's own moveToFailed keeps those of workers.
local function fail_work_item(pool, job_id, reason, now, kept)
  if leave_lists(pool, job_id) == 0 then return end
  redis.call('DEL', lock_key(pool, job_id))
  redis.call('HSET', work_item_key(pool, job_id), 'failedReason', reason, 'finishedOn', now)
  redis.call('ZADD', failed_key(pool), now, job_id)
  emit_work_event(pool, job_id, 'failed', 'failedReason', reason, 'prev', 'waiting')
  for _, old in ipairs(redis.call('ZRANGE', failed_key(pool), 0, -kept - 1)) do
    redis.call('DEL', work_item_key(pool, old))
  end
  redis.call('ZREMRANGEBYRANK', failed_key(pool), 0, -kept - 1)
end
local function is_in_queue(pool, job_id) return redis.call('ZSCORE', prioritized_key(pool), job_id) end
-- Of those that wait for work, one goes and looks.
local function wake_worker(pool) redis.call('ZADD', marker_key(pool), 0, '0') end
-- BullMQ's mark of a queue is the only one that says whether its pool is paused.
local function is_queue_paused(pool) return redis.call('HEXISTS', queue_meta_key(pool), 'paused') == 1 end
local function taken_work_items(pool, most) return redis.call('LRANGE', active_key(pool), 0, most - 1) end
-- An attempt that came to nothing; BullMQ counts the last one when the work item ends.
local function count_attempt(pool, job_id) redis.call('HINCRBY', work_item_key(pool, job_id), 'atm', 1) end
-- A token of a lock is the name of a process, a colon and a number.
local function process_of(token) return string.match(token, '^(.*):[^:]*$') end
