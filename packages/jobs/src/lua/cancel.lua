--[[
The caller cancels: a waiting job ends at once, a held one is `canceling` until its holder has stopped it.

Input:
  KEYS[1] the record
  `id` of the job, `ended_life`: ms that its record lives when it has ended, `kept_work_items`: how many failed ones of
  its pool are kept

Output:
  the snapshot
]]
--- @include "shared/close"
--- @include "shared/snapshot"

local status = get('status')
if status == QUEUED or status == RUNNING then
  if get('phase') == WAITING and get('prompt_id') == '' then
    close_with_item(CANCELED)
  else
    leave_backlog()
    become(CANCELING)
    notify_worker(get('worker'))
    if owner() ~= get('worker') then notify_worker(owner()) end
  end
end
return snapshot()
