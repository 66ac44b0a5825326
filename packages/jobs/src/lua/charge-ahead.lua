--[[
A prompt without a job encoded texts of several jobs ahead. Its time is charged to their keys, which may have deleted the
jobs meanwhile, and shown on the timeline of the instance.

Input:
  KEYS[1] the record of the job before whose prompt it ran
  `id` of that job; `pool`; `instance`; `ms` that it took, `loaded_ms` of them to load models; `timeline`: how many
  executions of an instance are kept
  `shares`: for each job its id, its key, and its part of the time in ms

Output:
  nothing
]]
--- @include "scheduling/virtual-time"
--- @include "shared/execution"

add_to_timeline(args.instance, 'ahead', now_ms() - args.ms, now_ms(), args.loaded_ms, args.timeline)
for _, share in ipairs(args.shares) do
  id, record = share.job, job_key(share.job)
  local pool, key = args.pool, share.key
  -- Not if the pool has forgotten the key, because it has had no open job since.
  if redis.call('ZSCORE', virtual_times_key(pool), key) then advance(pool, key, share.ms) end
  use_gpu(share.ms, {pool = pool, key = key, weight = get('weight')})
end
