--[[
A prompt that waits behind another one in a ComfyUI is taken out of it again, and its job back into the queue.
]]
--- @include "keys"

-- So many are looked at in one go.
local MOST_AHEAD = 16

-- Its holder is notified to look at it.
local function call_back(pool, job_id, worker)
  redis.call('ZREM', ahead_key(pool), job_id)
  redis.call('HSET', job_key(job_id), 'recalled', 1)
  redis.call('PUBLISH', worker_channel(worker), job_id)
end
