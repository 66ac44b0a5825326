--[[
A work item for each new job, in the same step as its record.
]]
--- @include "queue/put"

-- As queue.add of BullMQ 6.7 does it (its addPrioritizedJob script), but for its own stream of events; a test holds
-- them alike. All have the same priority: the order of service is ours.
local function add_work_item(pool, job_id, now)
  local opts = '{"removeOnFail":true,"removeOnComplete":true,"priority":' .. PRIORITY .. '}'
  redis.call('HSET', work_item_key(pool, job_id), 'name', 'job', 'data', '{}', 'opts', opts, 'timestamp', now,
    'delay', 0, 'priority', PRIORITY)
  put_in_queue(pool, job_id)
end
-- After items were added.
local function wake_workers(pool)
  -- Nobody reads BullMQ's own stream of events, which a worker that was there before any job may have had grow to 10,000.
  if redis.call('HGET', queue_meta_key(pool), 'opts.maxLenEvents') ~= '1' then
    redis.call('HSET', queue_meta_key(pool), 'opts.maxLenEvents', 1)
  end
  wake_worker(pool)
end
