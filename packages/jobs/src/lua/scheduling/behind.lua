--[[
Reads the jobs whose prompts wait behind other prompts in a ComfyUI, those that would start last first, for an idle
instance that may recall one.

Input:
  KEYS[1] the pool's jobs that wait behind others in ComfyUI
  `instance` that is idle

Output:
  JSON, see BehindReply in scheduling/choose-behind.ts
]]
--- @include "keys"
--- @include "shared/clock"

local MOST_JOBS = 16

local jobs = {}
local last = redis.call('ZREVRANGE', KEYS[1], 0, MOST_JOBS - 1, 'WITHSCORES')
for n = 1, #last, 2 do
  local id = last[n]
  local worker, affinity, key, faults, moved_at =
    unpack(redis.call('HMGET', job_key(id), 'worker', 'affinity', 'key', 'faults', 'moved_at'))
  if not worker then
    redis.call('ZREM', KEYS[1], id)
  else
    local load = redis.call('HGET', fits_key(args.instance), affinity) or nil
    jobs[#jobs + 1] = {id = id, starts_at = last[n + 1], affinity = affinity, key = key, load_ms = load,
      faults = faults or nil, moved_at = moved_at or nil,
      request = not load and redis.call('HGET', job_key(id), 'request') or nil}
  end
end
return cjson.encode({now = now_ms(), jobs = jobs})
