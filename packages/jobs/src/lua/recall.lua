--[[
An idle instance asks for a job whose prompt waits behind another one in a ComfyUI: its holder is notified to look at it.

Input:
  KEYS[1] the pool's `ahead`
  `job`
  `instance`, which asks

Output:
  1, or 0 when it does not wait there any more
]]
--- @include "keys"
--- @include "shared/clock"

local worker = redis.call('HGET', job_key(args.job), 'worker')
if redis.call('ZREM', KEYS[1], args.job) == 0 or not worker then return 0 end
redis.call('HSET', job_key(args.job), 'recalled', 1, 'wanted_by', args.instance, 'moved_at', now_ms())
redis.call('PUBLISH', worker_channel(worker), args.job)
return 1
