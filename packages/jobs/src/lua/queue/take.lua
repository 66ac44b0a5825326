--[[
Takes work items out of BullMQ's queue.
]]
--- @include "queue/put"
--- @include "shared/clock"

-- A worker has the active item from now on, as after BullMQ's own moveToActive.
local function lock_work_item(pool, job_id, token, lock_ms)
  redis.call('HSET', work_item_key(pool, job_id), 'processedOn', now_ms())
  redis.call('HINCRBY', work_item_key(pool, job_id), 'ats', 1)
  emit_work_event(pool, job_id, 'active', 'prev', 'waiting')
  redis.call('SET', lock_key(pool, job_id), token, 'PX', lock_ms)
  redis.call('SREM', stalled_key(pool), job_id)
end
-- False when somebody else has it, or nobody knows it.
local function take_work_item(pool, job_id, token, lock_ms)
  if redis.call('ZREM', prioritized_key(pool), job_id) == 0 then return false end
  if redis.call('EXISTS', work_item_key(pool, job_id)) == 0 then return false end
  redis.call('LPUSH', active_key(pool), job_id)
  lock_work_item(pool, job_id, token, lock_ms)
  return true
end
local function is_locked(pool, job_id) return redis.call('EXISTS', lock_key(pool, job_id)) == 1 end
-- Takes a work item back, wherever in the queue it is and whichever worker holds it.
local function take_back_work_item(pool, job_id, token, lock_ms)
  if leave_lists(pool, job_id) == 0 then return false end
  redis.call('LPUSH', active_key(pool), job_id)
  lock_work_item(pool, job_id, token, lock_ms)
  return true
end
-- Its job has ended; the item may just have been taken.
local function drop_work_item(pool, job_id)
  local found = redis.call('ZREM', prioritized_key(pool), job_id) + redis.call('LREM', active_key(pool), 0, job_id)
  if found > 0 then redis.call('DEL', work_item_key(pool, job_id), lock_key(pool, job_id)) end
end
