--[[
The first job of a key that has nothing in work is to begin where a prompt ends next: what waits there gives way to it.
]]
--- @include "shared/call-back"
--- @include "shared/halted"
--- @include "scheduling/waiting"

-- Whether the instance has nothing to load for it; nil while nobody has asked, and it will be asked before it gets the job.
local function holds(instance, need)
  local load = redis.call('HGET', fits_key(instance), need)
  if load then return tonumber(load) == 0 end
end
-- An instance stands idle that may run it.
local function is_awaited(pool, need, now)
  for _, idle in ipairs(redis.call('ZRANGEBYSCORE', idle_key(pool), now, '+inf', 'LIMIT', 0, MOST_AHEAD)) do
    if tonumber(redis.call('HGET', fits_key(idle), need) or 0) >= 0 then return true end
  end
end
-- Of those that begin soonest one that is not the only one of its key in work.
local function make_way(pool, need, now)
  if is_halted(pool) or is_awaited(pool, need, now) then return end
  local unasked
  for _, waiting in ipairs(redis.call('ZRANGE', ahead_key(pool), 0, MOST_AHEAD - 1)) do
    local worker, instance, key = unpack(redis.call('HMGET', job_key(waiting), 'worker', 'instance', 'key'))
    if worker and instance and redis.call('SCARD', taken_of_key(key)) > 1 then
      local verdict = holds(instance, need)
      if verdict then return call_back(pool, waiting, worker) end
      if verdict == nil and not unasked then unasked = {waiting, worker} end
    end
  end
  if unasked then call_back(pool, unpack(unasked)) end
end
