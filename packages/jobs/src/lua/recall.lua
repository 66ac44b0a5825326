--[[
An idle instance recalls a job whose prompt waits behind another one in a ComfyUI: the job's worker is notified.

Input:
  KEYS[1] the pool's jobs that wait behind others in ComfyUI
  `job`
  `instance` that recalls it

Output:
  1, or 0 if the job no longer waits there
]]
--- @include "keys"
--- @include "shared/clock"

local worker = redis.call('HGET', job_key(args.job), 'worker')
if redis.call('ZREM', KEYS[1], args.job) == 0 or not worker then return 0 end
redis.call('HSET', job_key(args.job), 'recalled', 1, 'wanted_by', args.instance, 'moved_at', now_ms())
redis.call('PUBLISH', worker_channel(worker), args.job)
return 1
