--[[
Work items that return to the queue: their delay is over, or BullMQ noticed that their worker died.
]]
--- @include "scheduling/waiting"
--- @include "queue/work-items"

-- Items requeued by one call. The next claim continues with the others.
local MOST_RETURNED = 100
local MOST_RETURNED_READ = 50
-- How long a job waits until it is tried again whether its key may have jobs of one more kind.
local NO_PLACE_MS = 30000

-- A job returns to its place among the waiting jobs, or goes before all others if it may have a prompt in a ComfyUI. A job
-- that was to get the outputs of another one has no place yet, and waits until its key may have one more.
local function requeue(pool, job_id, now)
  id, record = job_id, job_key(job_id)
  local status = get('status')
  local waits = status == QUEUED and get('phase') == WAITING and get('prompt_id') == ''
  if waits and has_no_place() then return delay_work_item(pool, job_id, now + NO_PLACE_MS) end
  put_in_queue(pool, job_id, waits and PRIORITY or 0)
  if status == '' or is_terminal(status) then return drop_work_item(pool, job_id) end
  if waits then
    reuse_nothing()
    return_to_waiting()
  end
end
-- The score of a delayed item is its time in ms · 2^12.
local function requeue_returned(pool, now)
  local latest = string.format('%.0f', (now + 1) * 4096 - 1)
  for _, job_id in ipairs(redis.call('ZRANGEBYSCORE', delayed_key(pool), 0, latest, 'LIMIT', 0, MOST_RETURNED)) do
    redis.call('ZREM', delayed_key(pool), job_id)
    requeue(pool, job_id, now)
  end
  for _ = 1, MOST_RETURNED do
    local job_id = redis.call('RPOP', wait_list_key(pool))
    if not job_id then break end
    requeue(pool, job_id, now)
  end
end
-- When the next delay ends, in ms since 1970.
local function next_return(pool)
  local score = redis.call('ZRANGE', delayed_key(pool), 0, 0, 'WITHSCORES')[2]
  return score and math.ceil(score / 4096)
end
local function read_returned(pool)
  local returned = {}
  local first = redis.call('ZRANGEBYSCORE', prioritized_key(pool), '-inf', FIRST_END, 'LIMIT', 0, MOST_RETURNED_READ)
  for _, job_id in ipairs(first) do
    local status, prompt_id = unpack(redis.call('HMGET', job_key(job_id), 'status', 'prompt_id'))
    returned[#returned + 1] = {id = job_id, begun = status == CANCELING or (prompt_id or '') ~= ''}
  end
  return returned
end
