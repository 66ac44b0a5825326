--[[
Serves keys again whose jobs were held back because their files filled their share of the storage, or because they had no
GPU time left for that day, if that is over. Keys that are held back for their limit of jobs in work are skipped: they have
jobs in work.

Input:
  KEYS[1] the pool's keys that are at their limit
  `pool`

Output:
  how many keys are served again
]]
--- @include "shared/storage"
--- @include "shared/gpu-limit"
--- @include "scheduling/virtual-time"
--- @include "queue/work-items"

-- Keys checked by one call. Later calls check others.
local MOST_CHECKED = 2000

local pool, resumed = args.pool, 0
for _, key in ipairs(redis.call('SRANDMEMBER', KEYS[1], MOST_CHECKED)) do
  if redis.call('EXISTS', taken_of_key(key)) == 0 and not is_over_storage(key) and not has_used_gpu_time(key) then
    redis.call('SREM', KEYS[1], key)
    begin_serving(pool, key)
    resumed = resumed + 1
  end
end
if resumed > 0 then wake_worker(pool) end
return resumed
