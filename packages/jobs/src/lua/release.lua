--[[
The holder gives the job back for another claim. A submission that may still exist stays on the record, to be adopted; its
worker is notified. A job that is being canceled and has no submission ends here.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`: how long an ended record lives, in ms; `claim`; `code` of the error that
  caused the retry, if any

Output:
  'ok' or 'superseded'
]]
--- @include "shared/close"

if not held_by(args.claim) then return 'superseded' end
if get('status') == CANCELING and get('prompt_id') == '' then
  close_with_item(CANCELED)
  return 'ok'
end
leave_prompt_queue()
leave_worker()
leave_work()
if owner() ~= get('worker') then notify_worker(owner()) end
enter(WAITING)
set('worker', '')
if args.code then set('retried_after', args.code) end
return 'ok'
