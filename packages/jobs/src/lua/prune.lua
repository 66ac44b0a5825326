--[[
Removes jobs whose record is gone from the lists of their key, and releases their bytes. Ids are never reused.

Input:
  KEYS[1] the list of all jobs of the key
  `key`: the API key; `members` of the list, one for each job

Output:
  how many jobs were removed
]]
--- @include "shared/job-bytes"
--- @include "shared/job-index"

local pruned = 0
for _, member in ipairs(args.members) do
  local id, parent, workflow = string.match(member, '^all|([^|]*)|([^|]*)|(.*)$')
  if redis.call('EXISTS', job_key(id)) == 0 and redis.call('ZREM', KEYS[1], unpack(index_members(id, parent, workflow))) > 0 then
    pruned = pruned + 1
    redis.call('ZREM', listed_of_key(args.key), id)
    release_bytes(args.key, id)
  end
end
return pruned
