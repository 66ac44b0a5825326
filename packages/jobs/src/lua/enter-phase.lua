--[[
Notes the inner phase, which callers do not see.

Input:
  KEYS[1] the record
  `id` of the job, `ended_life`: ms that its record lives when it has ended; `claim`; `phase`

Output:
  'ok', or 'canceling': stop; 'superseded': the claim is not the latest any more
]]
--- @include "shared/job"

if not held_by(args.claim) then return 'superseded' end
enter(args.phase)
return verdict()
