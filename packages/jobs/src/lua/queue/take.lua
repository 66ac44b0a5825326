--[[
Takes work items out of BullMQ's queue.
]]
--- @include "queue/put"
--- @include "shared/clock"

-- Items looked at in one go that rest no more, or whose holder died; the next claim goes on with the others.
local MOST_RETURNED = 100

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
-- Its job has ended; the item may just have been taken.
local function drop_work_item(pool, job_id)
  redis.call('ZREM', prioritized_key(pool), job_id)
  redis.call('LREM', active_key(pool), 0, job_id)
  redis.call('DEL', work_item_key(pool, job_id), lock_key(pool, job_id))
end
-- Those that have rested for as long as they were to, and those of which BullMQ noticed that their holder died; the ids,
-- with the items back in the queue. The score of a delayed one is its time in ms · 2^12.
local function returned_work_items(pool, now)
  local ids = redis.call('ZRANGEBYSCORE', delayed_key(pool), 0, string.format('%.0f', (now + 1) * 4096 - 1), 'LIMIT', 0,
    MOST_RETURNED)
  for _, job_id in ipairs(ids) do redis.call('ZREM', delayed_key(pool), job_id) end
  for _ = 1, MOST_RETURNED do
    local job_id = redis.call('RPOP', wait_list_key(pool))
    if not job_id then break end
    ids[#ids + 1] = job_id
  end
  for _, job_id in ipairs(ids) do put_in_queue(pool, job_id) end
  return ids
end
-- When the next one has rested; ms since 1970, or 0.
local function next_return(pool)
  local score = redis.call('ZRANGE', delayed_key(pool), 0, 0, 'WITHSCORES')[2]
  return score and string.format('%.0f', math.ceil(score / 4096)) or '0'
end
