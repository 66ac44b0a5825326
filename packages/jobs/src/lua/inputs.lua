--[[
Keeps apart the workers that put a file into ComfyUI's input folder and those that delete it there: the folder, and so
the file, may be shared by jobs of all workers.

Input:
  KEYS[1] the set of jobs that use the file
  `name` of the file in that folder, without extension; `verb`: `use`: the job `subject` has the file there until it
  has ended; `delete`: if no open job uses it, and until `deleted` with the same token `subject`, no job can begin to

Output:
  1; 0 for a use while the file is being deleted, and for a deletion while it is used
]]
--- @include "shared/storage"
--- @include "constants"

-- What deletes a file has done so long before.
local DELETING_MS = 30000

local verb, subject = args.verb, args.subject
local uses, deleting = KEYS[1], input_deleting_key(args.name)
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
