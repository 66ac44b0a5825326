--[[
Notes the inner phase, which callers do not see.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives
  ARGV[4] claim
  ARGV[5] phase

Output:
  'ok', or 'canceling': stop; 'superseded': the claim is not the latest any more
]]
--- @include "shared/job"

local claim, phase = ARGV[4], ARGV[5]
if not held_by(claim) then return 'superseded' end
set('phase', phase)
return get('status') == 'canceling' and 'canceling' or 'ok'
