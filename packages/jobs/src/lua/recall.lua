--[[
An idle instance asks for a job whose prompt waits behind another one in some ComfyUI: the one that would start last.
Its holder is notified to look at it.

Input:
  KEYS[1] the pool's `ahead`
  ARGV[1] prefix

Output:
  the job's id, or an empty text
]]
--- @include "keys"

local last = redis.call('ZPOPMAX', KEYS[1])
if not last[1] then return '' end
local worker = redis.call('HGET', job_key(last[1]), 'worker')
if not worker then return '' end
redis.call('HSET', job_key(last[1]), 'recalled', 1)
redis.call('PUBLISH', worker_channel(worker), last[1])
return last[1]
