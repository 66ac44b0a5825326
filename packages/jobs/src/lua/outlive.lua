--[[
Makes an ended job outlive the delivery of its webhook, and logs an attempt to deliver it, whose bytes its key holds.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`: how long its record lives after its delivery is over, in ms; `life`: how many ms from now
  it must live at least, or nil if nothing is left to deliver; `try`: the attempt (JSON)

Output:
  the key of the job; an empty string, and nothing changes, if there is no such job or it has not ended
]]
--- @include "shared/life"
--- @include "shared/job-bytes"

-- How many attempts of a job are kept, the newest.
local MOST_TRIES = 50

if not is_terminal(get('status')) then return '' end
if args.try then
  local attempts = redis.call('RPUSH', attempts_key(id), args.try)
  local dropped = attempts > MOST_TRIES and redis.call('LPOP', attempts_key(id)) or ''
  hold_more(get('key'), id, #args.try - #dropped)
end
live(args.life or ended_life, args.life)
return get('key')
