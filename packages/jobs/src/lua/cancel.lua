--[[
Cancels a job: a waiting job ends at once, a claimed one is `canceling` until its worker has stopped it.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`: how long an ended record lives, in ms

Output:
  the snapshot of the job
]]
--- @include "shared/close"
--- @include "shared/snapshot"

local status = get('status')
if status == QUEUED or status == RUNNING then
  if get('phase') == WAITING and get('prompt_id') == '' then
    close_with_item(CANCELED)
  else
    become(CANCELING)
    notify_worker(get('worker'))
    if owner() ~= get('worker') then notify_worker(owner()) end
  end
end
return snapshot()
