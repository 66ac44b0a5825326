--[[
Work items that rest before anybody may take them again.
]]
--- @include "keys"
--- @include "shared/clock"

-- Until when, in ms since 1970; 0 for one that does not rest (any more). The score of a delayed one is its time in
-- ms · 2^12.
local function rests_until(pool, job_id)
  local score = redis.call('ZSCORE', delayed_key(pool), job_id)
  if not score then return 0 end
  local ends = math.floor(score / 4096)
  return ends > tonumber(now_ms()) and ends or 0
end
