--[[
Removes jobs whose record is gone from the list of their key, and releases their bytes.

Input:
  KEYS[1] the list
  `key`: the API key; `ids` of jobs

Output:
  how many jobs were removed
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
