--[[
Notes how far the execution is. What arrives before the start was noted, or late from a lost submission, is dropped: a
queued job shows no progress and has no events.

Input:
  KEYS[1] the record
  `id` of the job, `ended_life`: ms that its record lives when it has ended; `claim`; `progress` (JSON)

Output:
  'ok', or 'canceling': stop; 'superseded': the claim is not the latest any more
]]
--- @include "shared/events"

local progress = args.progress
if not held_by(args.claim) then return 'superseded' end
if get('status') == RUNNING and get('progress') ~= progress then
  set('progress', progress)
  emit_progress(progress)
end
return verdict()
