--[[
A key has so many jobs in workers' hands as it may; more of them are parked until one of those ends.
]]
--- @include "shared/backlog"
--- @include "queue/parked"

-- Parked jobs looked at when some may go on.
local MOST_UNPARKED = 20

-- Lets jobs of the key that were held back be claimed, as many as it may have more. One whose work item is just being
-- put aside stays parked, to be called by whoever puts it there.
local function call_parked()
  local caller, most_taken = get('key'), tonumber(get('most_taken'))
  if not most_taken then return end
  local free = most_taken - redis.call('SCARD', taken_of_key(caller))
  if free <= 0 then return end
  for _, parked in ipairs(redis.call('ZRANGE', parked_key(caller), 0, MOST_UNPARKED - 1)) do
    local pool, signature, created_at = unpack(redis.call('HMGET', job_key(parked), 'pool', 'signature', 'created_at'))
    local called = pool and is_put_forward(pool, parked)
    if called or not pool then redis.call('ZREM', parked_key(caller), parked) end
    if called then
      rejoin_lane(parked, pool, signature, created_at)
      free = free - 1
      if free == 0 then return end
    end
  end
end
-- No worker has it any more, or is to have it.
local function leave_taken()
  redis.call('ZREM', parked_key(get('key')), id)
  redis.call('SREM', taken_of_key(get('key')), id)
  call_parked()
end
