--[[
Locks a file in ComfyUI's input folder, so that no worker deletes it while another one uses it: jobs of all workers may
share the folder and the file.

Input:
  KEYS[1] the set of jobs that use the file
  `name` of the file in that folder, without extension; `verb` and `subject`:
  `use`: the job `subject` uses the file until it ends
  `delete`: if no open job uses the file, no job can start to use it until `deleted` with the same token `subject`

Output:
  1; 0 for `use` while the file is being deleted, and for `delete` while the file is used
]]
--- @include "shared/storage"
--- @include "constants"

-- A deletion takes much less time than this.
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
