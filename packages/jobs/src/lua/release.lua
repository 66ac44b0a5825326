--[[
The holder gives the job back for another claim; a submission that may still be found stays on the record for its
adoption. A worker that has it is notified. A job that is being canceled and has no submission ends here.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives
  ARGV[4] claim
  ARGV[5] code of the error for which it is to be tried again, or empty

Output:
  'ok' or 'superseded'
]]
--- @include "shared/close"

local claim, retried_after = ARGV[4], ARGV[5] or ''
if not held_by(claim) then return 'superseded' end
if get('status') == 'canceling' and get('prompt_id') == '' then
  close_job('canceled')
  return 'ok'
end
if get('prompt_id') == '' then refund() end
leave_line()
leave_hands()
leave_taken()
if owner() ~= get('worker') then call_on(owner()) end
set('phase', 'waiting', 'worker', '')
if retried_after ~= '' then set('retried_after', retried_after) end
return 'ok'
