--[[
Redis' clock, which dates everything.
]]

local function now_ms()
  local time = redis.call('TIME')
  return string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
end
-- Days since 1970-01-01, UTC.
local function today()
  return string.format('%d', math.floor(redis.call('TIME')[1] / 86400))
end
