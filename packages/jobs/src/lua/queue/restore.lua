--[[
Adds what an open job lacks in its queue: its work item, or its place among the waiting jobs of its key.

Input:
  KEYS[1] the record
  `id` of the job

Output:
  1 if something was added, else 0
]]
--- @include "scheduling/waiting"
--- @include "queue/work-items"

local status, pool = get('status'), get('pool')
if status == '' or is_terminal(status) then return 0 end
-- An item that somebody ended by hand does not count.
local has_item = redis.call('EXISTS', work_item_key(pool, id)) == 1
  and redis.call('ZREM', completed_key(pool), id) + redis.call('ZREM', failed_key(pool), id) == 0
local waits = status == QUEUED and get('phase') == WAITING and get('prompt_id') == ''
if not has_item then
  redis.call('DEL', work_item_key(pool, id))
  local priority = waits and PRIORITY or 0
  add_work_item(pool, id, get('created_at'), get('key'), get('workflow'), lod_of(get('signature')), priority)
end
if waits and is_in_queue(pool, id) and not is_waiting() then
  return_to_waiting()
  has_item = false
end
if has_item then return 0 end
wake_worker(pool)
return 1
