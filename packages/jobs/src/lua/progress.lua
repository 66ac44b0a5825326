--[[
Records the progress of the execution. Progress that arrives before the start is recorded, or late from a lost
submission, is dropped: a queued job has no progress and no events.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`; `claim`; `progress` (JSON)

Output:
  'ok'; 'canceling': stop the job; 'superseded': there is a newer claim
]]
--- @include "shared/events"

local progress = args.progress
if not held_by(args.claim) then return 'superseded' end
if get('status') == RUNNING and get('progress') ~= progress then
  set('progress', progress)
  emit_progress(progress)
end
return verdict()
