--[[
How long GPUs worked for each key, by spans of time: what operators see of the shares.
]]
--- @include "shared/job"
--- @include "constants"

local function note_span(minutes, span, ms)
  local times = gpu_time_key(minutes, string.format('%d', span))
  redis.call('HINCRBY', times, get('pool') .. ' ' .. get('key'), string.format('%d', ms))
  redis.call('PEXPIRE', times, GPU_TIME_LIFE_MS)
end
-- Each span of so many minutes gets its part; what was before `oldest` nobody asks for any more.
local function note_spans(minutes, from, till, oldest)
  local length = minutes * 60000
  from = math.max(from, oldest)
  while from < till do
    local span = math.floor(from / length)
    local ends = math.min(till, (span + 1) * length)
    note_span(minutes, span, ends - from)
    from = ends
  end
end
-- The job's latest execution took so many ms.
local function note_gpu_time(ms)
  local now = tonumber(now_ms())
  local till = math.min(now, (tonumber(get('started_at')) or now) + ms)
  note_spans(SHORT_SPAN_MINUTES, till - ms, till, now - 2 * SHORT_SPAN_MINUTES * 60000)
  note_spans(LONG_SPAN_MINUTES, till - ms, till, now - GPU_TIME_LIFE_MS)
  local weight, weights = get('weight'), weights_key(string.format('%d', math.floor(now / HOUR_MS)))
  redis.call('HSET', weights, get('key'), weight ~= '' and weight or 1)
  redis.call('PEXPIRE', weights, GPU_TIME_LIFE_MS)
end
