--[[
Hides ended jobs from the list of their key. Their records stay.

Input:
  KEYS[1] the key's list of ended jobs
  `ids` of jobs; ids that are not in the list are ignored

Output:
  how many jobs were hidden
]]
--- @include "keys"

local hidden = 0
for _, id in ipairs(args.ids) do
  local record = job_key(id)
  if redis.call('ZREM', KEYS[1], id) == 1 and redis.call('EXISTS', record) == 1 then
    redis.call('HSET', record, 'hidden', 1)
    hidden = hidden + 1
  end
end
return hidden
