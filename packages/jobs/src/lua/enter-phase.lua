--[[
Records the inner phase of a job, which callers do not see.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`: how long an ended record lives, in ms; `claim`; `phase`

Output:
  'ok'; 'canceling': stop the job; 'superseded': there is a newer claim
]]
--- @include "shared/job"

if not held_by(args.claim) then return 'superseded' end
enter(args.phase)
return verdict()
