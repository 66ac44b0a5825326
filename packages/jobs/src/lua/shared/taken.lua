--[[
A key has so many jobs in workers' hands as it may; then it takes no turn until one of those ends.
]]
--- @include "scheduling/waiting"
--- @include "queue/put"

-- No worker has it any more, or is to have it.
local function leave_taken()
  local key = get('key')
  if redis.call('SREM', taken_of_key(key), id) == 0 then return end
  for _, pool in ipairs(redis.call('SMEMBERS', pools_key())) do
    if redis.call('SREM', keys_at_limit_key(pool), key) == 1 then
      begin_serving(pool, key)
      wake_worker(pool)
    end
  end
end
