--[[
Hides ended jobs from the list of their key. Their records stay.

Input:
  KEYS[1] the key's list of jobs with an origin
  `ids` of jobs; those that are not in the list or are open are ignored

Output:
  how many jobs were hidden
]]
--- @include "keys"
--- @include "constants"

local hidden = 0
for _, id in ipairs(args.ids) do
  local record = job_key(id)
  local has_ended = tonumber(redis.call('ZSCORE', KEYS[1], id) or 0) > ENDED_AFTER
  if has_ended and redis.call('ZREM', KEYS[1], id) == 1 and redis.call('EXISTS', record) == 1 then
    redis.call('HSET', record, 'hidden', 1)
    hidden = hidden + 1
  end
end
return hidden
