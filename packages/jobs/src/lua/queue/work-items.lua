--[[
A pool's queue and its work items, as BullMQ keeps them.
]]
--- @include "keys"
--- @include "constants"
--- @include "shared/clock"

-- Writes an event for BullMQ's QueueEvents.
local function emit_work_event(pool, job_id, event, ...)
  redis.call('XADD', work_events_key(pool), 'MAXLEN', '~', WORK_EVENTS_KEPT, '*', 'event', event, 'jobId', job_id, ...)
end
-- BullMQ's score is priority · 2^32 + counter. Only items that are claimed before all others have priority 0.
local FIRST_END = '(4294967296'

local function put_in_queue(pool, job_id, priority)
  local counter = redis.call('INCR', priority_counter_key(pool)) % 4294967296
  redis.call('ZADD', prioritized_key(pool), string.format('%.0f', priority * 4294967296 + counter), job_id)
  emit_work_event(pool, job_id, 'waiting')
end
-- Removes an item from all lists of the queue; returns in how many it was.
local function leave_lists(pool, job_id)
  return redis.call('ZREM', prioritized_key(pool), job_id) + redis.call('ZREM', delayed_key(pool), job_id)
    + redis.call('LREM', wait_list_key(pool), 0, job_id) + redis.call('LREM', active_key(pool), 0, job_id)
end
-- Keeps the item of a job that ended without a worker as failed, as BullMQ's moveToFailed does for workers.
local function fail_work_item(pool, job_id, reason, now)
  if leave_lists(pool, job_id) == 0 then return end
  redis.call('DEL', lock_key(pool, job_id))
  redis.call('HSET', work_item_key(pool, job_id), 'failedReason', reason, 'finishedOn', now)
  redis.call('ZADD', failed_key(pool), now, job_id)
  emit_work_event(pool, job_id, 'failed', 'failedReason', reason, 'prev', 'waiting')
  for _, old in ipairs(redis.call('ZRANGE', failed_key(pool), 0, -KEPT_WORK_ITEMS - 1)) do
    redis.call('DEL', work_item_key(pool, old))
  end
  redis.call('ZREMRANGEBYRANK', failed_key(pool), 0, -KEPT_WORK_ITEMS - 1)
end
local function is_in_queue(pool, job_id) return redis.call('ZSCORE', prioritized_key(pool), job_id) end
-- Wakes one of the workers that wait for work.
local function wake_worker(pool) redis.call('ZADD', marker_key(pool), 0, '0') end
-- Wakes the next one, unless as many workers as there are had this wake-up and could not use it.
local function pass_on(pool, had_it)
  if had_it < redis.call('HLEN', workers_key()) then redis.call('ZADD', marker_key(pool), 'LT', had_it, '0') end
end
-- A pool is paused exactly while BullMQ's queue of it is.
local function is_queue_paused(pool) return redis.call('HEXISTS', queue_meta_key(pool), 'paused') == 1 end
-- Counts an attempt that failed. BullMQ counts the last one itself when the work item ends.
local function count_attempt(pool, job_id) redis.call('HINCRBY', work_item_key(pool, job_id), 'atm', 1) end
-- The token of a lock is the name of a process, a colon and a number.
local function process_of(token) return string.match(token, '^(.*):[^:]*$') end
-- When the delay of an item ends, in ms since 1970; 0 if it is not delayed. The score of a delayed item is its time in ms
-- · 2^12.
local function delayed_until(pool, job_id)
  local score = redis.call('ZSCORE', delayed_key(pool), job_id)
  if not score then return 0 end
  local ends = math.floor(score / 4096)
  return ends > tonumber(now_ms()) and ends or 0
end
-- Delays an item of the queue until that time, as BullMQ's moveToDelayed does for workers.
local function delay_work_item(pool, job_id, ends)
  redis.call('ZREM', prioritized_key(pool), job_id)
  redis.call('ZADD', delayed_key(pool), string.format('%.0f', ends * 4096), job_id)
end
-- How many items are claimed before all others, or wait again because BullMQ noticed that their worker died.
local function count_first(pool)
  return redis.call('ZCOUNT', prioritized_key(pool), '-inf', FIRST_END) + redis.call('LLEN', wait_list_key(pool))
end
-- How many items are before this one in the queue.
local function rank_in_queue(pool, job_id) return redis.call('ZRANK', prioritized_key(pool), job_id) or 0 end
local function is_first(pool, job_id)
  return tonumber(redis.call('ZSCORE', prioritized_key(pool), job_id) or '+inf') < PRIORITY * 4294967296
end
-- Whether operators have paused the pool or the whole fleet.
local function is_paused(pool) return redis.call('HEXISTS', halts_key(), 'fleet') == 1 or is_queue_paused(pool) end
-- Adds an item as queue.add of BullMQ 6.7 does (its addPrioritizedJob script); a test compares the two. Operators see the
-- name and the data in BullMQ's tools.
local function add_work_item(pool, job_id, now, key, workflow, lod, priority)
  local data = cjson.encode({key = key, workflow = workflow, lod = lod, pool = pool})
  redis.call('HSET', work_item_key(pool, job_id), 'name', workflow, 'data', data, 'opts', '{"priority":' .. PRIORITY .. '}',
    'timestamp', now, 'delay', 0, 'priority', PRIORITY)
  emit_work_event(pool, job_id, 'added', 'name', workflow)
  put_in_queue(pool, job_id, priority)
end
-- Gives the active item to a worker, as BullMQ's moveToActive does.
local function lock_work_item(pool, job_id, token, lock_ms)
  redis.call('HSET', work_item_key(pool, job_id), 'processedOn', now_ms())
  redis.call('HINCRBY', work_item_key(pool, job_id), 'ats', 1)
  emit_work_event(pool, job_id, 'active', 'prev', 'waiting')
  redis.call('SET', lock_key(pool, job_id), token, 'PX', lock_ms)
  redis.call('SREM', stalled_key(pool), job_id)
end
-- Returns false if another worker has the item, or if there is no such item.
local function take_work_item(pool, job_id, token, lock_ms)
  if redis.call('ZREM', prioritized_key(pool), job_id) == 0 then return false end
  if redis.call('EXISTS', work_item_key(pool, job_id)) == 0 then return false end
  redis.call('LPUSH', active_key(pool), job_id)
  lock_work_item(pool, job_id, token, lock_ms)
  return true
end
local function is_locked(pool, job_id) return redis.call('EXISTS', lock_key(pool, job_id)) == 1 end
-- Takes an item from wherever it is in the queue, even from a worker that holds it.
local function take_back_work_item(pool, job_id, token, lock_ms)
  if leave_lists(pool, job_id) == 0 then return false end
  redis.call('LPUSH', active_key(pool), job_id)
  lock_work_item(pool, job_id, token, lock_ms)
  return true
end
-- Deletes the item of a job that has ended, even if a worker has just taken it.
local function drop_work_item(pool, job_id)
  if leave_lists(pool, job_id) > 0 then redis.call('DEL', work_item_key(pool, job_id), lock_key(pool, job_id)) end
end
