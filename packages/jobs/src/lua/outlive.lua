--[[
Has an ended job outlive the delivery of its webhook, and logs a try to deliver it.

Input:
  KEYS[1] the record
  `id` of the job, `ended_life`: ms that its record lives when its delivery is over; `life`: for how many ms from now it
  is to be known at least, none when there is nothing (more) to deliver; `try` (JSON)

Output:
  its key; an empty text, and nothing changes, when there is no such job that has ended
]]
--- @include "shared/life"

-- The newest tries of one job.
local MOST_TRIES = 50

if not is_terminal(get('status')) then return '' end
if args.try then
  redis.call('RPUSH', attempts_key(id), args.try)
  redis.call('LTRIM', attempts_key(id), -MOST_TRIES, -1)
end
live(args.life or ended_life, args.life)
return get('key')
