--[[
queued → expired: the start deadline passed before a worker claimed the job.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`: how long an ended record lives, in ms

Output:
  1 if the job expired, else 0
]]
--- @include "shared/close"

if not is_overdue() then return 0 end
close_with_item(EXPIRED)
return 1
