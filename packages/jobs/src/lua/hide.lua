--[[
Takes ended jobs out of the list of those of their key; their records stay as they are otherwise.

Input:
  KEYS[1] the key's list of ended jobs
  `ids` of jobs; those that are not in the list do not matter

Output:
  how many were taken out
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
