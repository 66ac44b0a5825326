--[[
Keeps apart the workers that put a file into ComfyUI's input folder and those that delete it there: the folder, and so
the file, may be shared by jobs of all workers.

Input:
  KEYS[1] the set of jobs that use the file
  ARGV[1] prefix
  ARGV[2] name of the file in that folder, without extension
  ARGV[4] `use`: the job ARGV[5] has the file there until it has ended;
          `delete`: if no open job uses it, and until `deleted` with the same token ARGV[5] no job can begin to
  ARGV[5] job id, or token

Output:
  1; 0 for a use while the file is being deleted, and for a deletion while it is used
]]
--- @include "shared/file-uses"
--- @include "constants"

-- What deletes a file has done so long before.
local DELETING_MS = 30000

local verb, subject = ARGV[4], ARGV[5]
local uses, deleting = KEYS[1], input_deleting_key(ARGV[2])
if verb == 'use' then
  if redis.call('EXISTS', deleting) == 1 then return 0 end
  redis.call('SADD', uses, subject)
  redis.call('PEXPIRE', uses, USES_LIFE_MS)
  return 1
end
if verb == 'deleted' then
  if redis.call('GET', deleting) == subject then redis.call('DEL', deleting) end
  return 1
end
if is_used(uses) or not redis.call('SET', deleting, subject, 'NX', 'PX', DELETING_MS) then return 0 end
return 1
