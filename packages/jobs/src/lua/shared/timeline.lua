--[[
What an instance executed and when, a line for each execution that is over: for operators, see past/execution.ts.
]]
--- @include "shared/job"
--- @include "shared/signature"
--- @include "constants"

-- The job's latest execution is over: after so many ms, or now. `most` lines are kept; without it, as many as the next
-- one keeps.
local function note_execution(outcome, most, ms, loading_ms)
  local instance, key, signature, started_at, workflow =
    unpack(redis.call('HMGET', record, 'instance', 'key', 'signature', 'started_at', 'workflow'))
  if not instance or not started_at then return end
  local now = tonumber(now_ms())
  local till = ms and math.min(now, started_at + ms) or now
  local line = string.format('%d %d %d %s %s %s %s %s', till - (ms or now - started_at), till, loading_ms or 0, outcome,
    lod_of(signature), key, id, workflow)
  local timeline = timeline_key(instance)
  redis.call('LPUSH', timeline, line)
  if most then redis.call('LTRIM', timeline, 0, most - 1) end
  redis.call('PEXPIRE', timeline, HOUR_MS)
  redis.call('ZADD', timelines_key(), now, instance)
  redis.call('PEXPIRE', timelines_key(), HOUR_MS)
end
