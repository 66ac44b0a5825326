--[[
Jobs that get the outputs of an equal job of their key instead of being rendered. They wait with a delayed work item, which
is delayed again while that job may still succeed. If it ends otherwise, or nobody copies its outputs in time, the first of
them is rendered, and the others wait for that one.
]]
--- @include "shared/job"
--- @include "queue/work-items"

-- Longer than copying the outputs takes.
local REUSE_CHECK_MS = 30000
local REUSE_LIFE_MS = 604800000

-- The job with this digest that has succeeded or may still do so, and when it ended.
local function find_reusable(key, digest)
  local known = redis.call('GET', reuse_key(key, digest))
  if not known then return end
  local status, finished_at = unpack(redis.call('HMGET', job_key(known), 'status', 'finished_at'))
  if status == SUCCEEDED or status and not is_terminal(status) then return known, tonumber(finished_at or nil) end
end
local function offer_for_reuse(key, digest, job_id)
  redis.call('SET', reuse_key(key, digest), job_id, 'PX', REUSE_LIFE_MS)
end
-- `now` is by the clock by which delays end.
local function wait_for_outputs(pool, job_id, first, now)
  redis.call('HSET', job_key(job_id), 'reused_from', first)
  redis.call('SADD', reusers_key(first), job_id)
  redis.call('PEXPIRE', reusers_key(first), REUSE_LIFE_MS)
  delay_work_item(pool, job_id, now + REUSE_CHECK_MS)
end
-- Whether the job, whose delay is over, keeps waiting.
local function waits_on(pool, now)
  local key, digest, first = unpack(redis.call('HMGET', record, 'key', 'reuse', 'reused_from'))
  if not first then return false end
  local found, finished_at = find_reusable(key, digest)
  if found and found ~= id and not (finished_at and now_ms() - finished_at > REUSE_CHECK_MS) then
    wait_for_outputs(pool, id, found, now)
    return true
  end
  redis.call('HDEL', record, 'reused_from')
  offer_for_reuse(key, digest, id)
  return false
end
-- The job did not succeed: those that wait for its outputs return to the queue.
local function return_reusers()
  for _, other in ipairs(redis.call('SMEMBERS', reusers_key(id))) do
    local pool = redis.call('HGET', job_key(other), 'pool')
    if pool and end_delay(pool, other) then wake_worker(pool) end
  end
  redis.call('DEL', reusers_key(id))
end
