--[[
GPU time that served several jobs is charged to their keys, which may have deleted the jobs meanwhile: of a prompt without
a job, which encoded texts ahead and is shown on the timeline of the instance, or of models that are loaded again.

Input:
  KEYS[1] the record of the first job
  `id` of that job
  `execution`, if it was a prompt: `instance`; `ms` that it took, `loadedMs` of them to load models
  `shares`: for each job its id, its key, its pool, and its part of the time in ms

Output:
  nothing
]]
--- @include "scheduling/virtual-time"
--- @include "shared/execution"

local execution = args.execution
if execution then
  local began = now_ms() - execution.ms
  add_to_timeline(execution.instance, 'ahead', began, now_ms(), execution.loadedMs)
end
for _, share in ipairs(args.shares) do
  id, record = share.id, job_key(share.id)
  local pool, key = share.pool, share.key
  -- Not if the pool has forgotten the key, because it has had no open job since.
  if redis.call('HEXISTS', schedule_key(pool), 'time ' .. key) == 1 then advance(pool, key, share.ms) end
  use_gpu(share.ms, {pool = pool, key = key, weight = get('weight')})
end
