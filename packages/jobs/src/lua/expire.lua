--[[
queued → expired: the start deadline passed while nobody had taken the job.

Input:
  KEYS[1] the record
  `id` of the job, `ended_life`: ms that its record lives when it has ended, `kept_work_items`: how many failed ones of
  its pool are kept

Output:
  1 when it expired, else 0
]]
--- @include "shared/close"

if not is_overdue() then return 0 end
close_with_item(EXPIRED)
return 1
