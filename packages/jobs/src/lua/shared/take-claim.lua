--[[
A worker claims a job, which increments the fence. If the job is already claimed, its worker died or lost its lock. A job
that is being canceled is handed out as well, so that its prompt is stopped.
]]
--- @include "shared/submission"
--- @include "scheduling/waiting"
--- @include "queue/work-items"

local function take_claim(worker, token)
  redis.call('HINCRBY', record, 'claim', 1)
  -- If the same process takes the job again, no worker died.
  if get('phase') ~= WAITING and process_of(get('claimed_with')) ~= process_of(token) then
    redis.call('HINCRBY', record, 'deaths', 1)
  end
  local pool, key, prompt_id = unpack(redis.call('HMGET', record, 'pool', 'key', 'prompt_id'))
  if (prompt_id or '') ~= '' then
    if owner() == worker then
      redis.call('HDEL', record, 'orphaned_at', 'orphaned_ms')
    else
      if get('orphaned_at') == '' then set('orphaned_at', now_ms()) end
      set('orphaned_ms', string.format('%d', now_ms() - get('orphaned_at')))
    end
  end
  leave_worker()
  leave_waiting()
  redis.call('SADD', held_key(worker), id)
  if redis.call('SADD', taken_of_key(key), id) == 1 then count_in_work() end
  enter(CLAIMED)
  set('worker', worker, 'claimed_with', token)
  if (prompt_id or '') == '' then set('claimed_at', now_ms()) end
  redis.call('HDEL', record, 'wanted_by')
  reuse_nothing()
end
