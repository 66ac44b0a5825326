--[[
Has an ended job outlive the delivery of its webhook.

Input:
  KEYS[1] the record
  `id` of the job, `ended_life`: ms that its record lives when it has ended; `life`: for how many ms from now it is to
  be known at least

Output:
  its key; an empty text, and nothing changes, when there is no such job that has ended
]]
--- @include "shared/life"

if not is_terminal(get('status')) then return '' end
outlive_delivery(args.life)
return get('key')
