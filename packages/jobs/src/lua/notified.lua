--[[
There is nothing (more) to deliver of the job: its lifetime begins.

Input:
  KEYS[1] the record
  `id` of the job, `ended_life`: ms that its record lives when it has ended

Output:
  nothing
]]
--- @include "shared/life"

if is_terminal(get('status')) then begin_lifetime() end
