--[[
Keys whose jobs were held back since their files filled their share of the storage are served again, if they may
store more now. A key that has as many jobs in workers' hands as it may is none of these: it has some.

Input:
  KEYS[1] the pool's keys that are held back
  `pool`

Output:
  how many these are
]]
--- @include "shared/storage"
--- @include "scheduling/virtual-time"
--- @include "queue/work-items"

-- Others come with the next call.
local MOST_LOOKED_AT = 2000

local pool, resumed = args.pool, 0
for _, key in ipairs(redis.call('SRANDMEMBER', KEYS[1], MOST_LOOKED_AT)) do
  if redis.call('EXISTS', taken_of_key(key)) == 0 and not is_over_storage(key) then
    redis.call('SREM', KEYS[1], key)
    begin_serving(pool, key)
    resumed = resumed + 1
  end
end
if resumed > 0 then wake_worker(pool) end
return resumed
