--[[
The caller cancels: a waiting job ends at once, a held one is `canceling` until its holder has stopped it.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives

Output:
  the snapshot
]]
--- @include "shared/close"
--- @include "shared/snapshot"

local status = get('status')
if status == 'queued' or status == 'running' then
  if get('phase') == 'waiting' and get('prompt_id') == '' then
    close_job('canceled')
  else
    leave_backlog()
    set('status', 'canceling')
    emit_status('canceling')
    call_on(get('worker'))
    if owner() ~= get('worker') then call_on(owner()) end
  end
end
return snapshot()
