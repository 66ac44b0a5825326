--[[
The instance goes on executing the submission after an interrupt, and the worker gives it up. That counts as a kill by
the job's key, however the job ends. A repeat counts once.

Input:
  KEYS[1] the record
  `id` of the job, `ended_life`: ms that its record lives when it has ended; `claim`; `prompt_id`

Output:
  'ok', or 'canceling': stop; 'superseded': the claim is not the latest any more
]]
--- @include "shared/submission"

if not held_by(args.claim) then return 'superseded' end
if get('prompt_id') == args.prompt_id then note_kill(false) end
return verdict()
