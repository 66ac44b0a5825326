--[[
The work items of parked jobs are among BullMQ's delayed ones, whose score is a time in ms · 2^12; the marker wakes a
worker.
]]
--- @include "keys"
--- @include "shared/clock"

local function is_put_forward(pool, job_id)
  if redis.call('ZADD', delayed_key(pool), 'XX', 'CH', string.format('%.0f', now_ms() * 4096), job_id) == 0 then
    return false
  end
  redis.call('ZADD', marker_key(pool), 0, '0')
  return true
end
