--[[
Redis' clock, which dates everything.
]]

-- The clock stands still while a script runs.
local script_ms
local function now_ms()
  if not script_ms then
    local time = redis.call('TIME')
    script_ms = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
  end
  return script_ms
end
-- Days since 1970-01-01, UTC.
local function today() return string.format('%d', math.floor(now_ms() / 86400000)) end
