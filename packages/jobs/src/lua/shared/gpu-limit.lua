--[[
The GPU time that an API key may use a day.
]]
--- @include "keys"
--- @include "shared/clock"

-- Whether the key has used up its GPU time of today.
local function has_used_gpu_time(key)
  local most = redis.call('HGET', gpu_limits_key(), key)
  return most and tonumber(redis.call('HGET', usage_key(key, today()), 'gpu_ms') or 0) >= tonumber(most)
end
