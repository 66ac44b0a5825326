--[[
How long GPUs worked for each key, by minute: what operators see of the shares.
]]
--- @include "shared/job"
--- @include "constants"

local MINUTE_MS = 60000

local function note_minute(minute, ms)
  local minutes = gpu_time_key(string.format('%d', minute))
  redis.call('HINCRBY', minutes, get('pool') .. ' ' .. get('key'), string.format('%d', ms))
  redis.call('PEXPIRE', minutes, GPU_TIME_LIFE_MS)
end
-- The job's latest execution took so many ms. Each minute of it gets its part; of one that took longer than an hour,
-- nobody asks for what was before.
local function note_gpu_time(ms)
  local now = tonumber(now_ms())
  local ended = math.min(now, (tonumber(get('started_at')) or now) + ms)
  local from = ended - math.min(ms, GPU_TIME_SEEN_MS)
  while from < ended do
    local minute = math.floor(from / MINUTE_MS)
    local till = math.min(ended, (minute + 1) * MINUTE_MS)
    note_minute(minute, till - from)
    from = till
  end
  local weight, weights = get('weight'), weights_key(string.format('%d', math.floor(now / GPU_TIME_SEEN_MS)))
  redis.call('HSET', weights, get('key'), weight ~= '' and weight or 1)
  redis.call('PEXPIRE', weights, GPU_TIME_LIFE_MS)
end
