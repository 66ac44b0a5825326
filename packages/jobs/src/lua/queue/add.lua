--[[
A work item for a job, in the same step as its record.
]]
--- @include "queue/put"

-- As queue.add of BullMQ 6.7 does it (its addPrioritizedJob script); a test holds them alike. All have the same priority:
-- the order of service is ours. What an operator sees of it in BullMQ's tools is its name and data.
local function add_work_item(pool, job_id, now, key, workflow, lod)
  local data = cjson.encode({key = key, workflow = workflow, lod = lod, pool = pool})
  redis.call('HSET', work_item_key(pool, job_id), 'name', workflow, 'data', data, 'opts', '{"priority":' .. PRIORITY .. '}',
    'timestamp', now, 'delay', 0, 'priority', PRIORITY)
  emit_work_event(pool, job_id, 'added', 'name', workflow)
  put_in_queue(pool, job_id)
end
