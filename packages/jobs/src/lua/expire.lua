--[[
queued → expired: the start deadline passed while nobody had taken the job.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives

Output:
  1 when it expired, else 0
]]
--- @include "shared/close"

if not is_overdue() then return 0 end
close_job('expired')
return 1
