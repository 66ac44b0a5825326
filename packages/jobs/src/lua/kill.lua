--[[
Records that the submission killed its instance, or ignores its interrupt and is given up. This counts as a kill by the
job's key at once, no matter how the job ends. A repeat does not count again.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`: how long an ended record lives, in ms; `claim`; `prompt_id`

Output:
  'ok'; 'canceling': stop the job; 'superseded': there is a newer claim
]]
--- @include "shared/submission"

if not held_by(args.claim) then return 'superseded' end
if get('prompt_id') == args.prompt_id then record_kill(get('prompt_id')) end
return verdict()
