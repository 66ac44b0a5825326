--[[
There is nothing (more) to deliver of the job: its lifetime begins.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives

Output:
  nothing
]]
--- @include "shared/life"

if is_terminal(get('status')) then begin_lifetime() end
