--[[
Removes jobs whose record is gone from the lists of their key, and releases their bytes. Ids are never reused.

Input:
  KEYS[1] the list of all jobs of the key
  `key`: the API key; `ids` of jobs

Output:
  how many jobs were removed
]]
--- @include "shared/job-bytes"

local pruned = 0
for _, id in ipairs(args.ids) do
  if redis.call('EXISTS', job_key(id)) == 0 then
    pruned = pruned + redis.call('ZREM', KEYS[1], id)
    redis.call('ZREM', listed_of_key(args.key), id)
    release_bytes(args.key, id)
  end
end
return pruned
