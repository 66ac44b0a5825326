--[[
The work item of a parked job is put aside now: if its key may have more meanwhile, nobody else could call it.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives

Output:
  'ok'
]]
--- @include "shared/taken"

call_parked()
return 'ok'
