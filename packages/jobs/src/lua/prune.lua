--[[
Takes jobs whose record is gone out of the list of their key's jobs, and releases the bytes that they held.

Input:
  KEYS[1] the list
  `key`, the API key; `ids` of jobs

Output:
  how many were taken out
]]
--- @include "shared/job-bytes"

local pruned = 0
for _, id in ipairs(args.ids) do
  if redis.call('EXISTS', job_key(id)) == 0 then
    pruned = pruned + redis.call('ZREM', KEYS[1], id)
    release_bytes(args.key, id)
  end
end
return pruned
