--[[
Notes how far the execution is. What arrives before the start was noted, or late from a lost submission, is dropped: a
queued job shows no progress and has no events.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives
  ARGV[4] claim
  ARGV[5] progress (JSON)

Output:
  'ok', or 'canceling': stop; 'superseded': the claim is not the latest any more
]]
--- @include "shared/events"

local claim, progress = ARGV[4], ARGV[5]
if not held_by(claim) then return 'superseded' end
if get('status') == 'canceling' then return 'canceling' end
if get('status') == 'running' and get('progress') ~= progress then
  set('progress', progress)
  emit_progress(progress)
end
return 'ok'
