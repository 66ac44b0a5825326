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
local before = redis.call('HGET', texts_key(id), 'attempts') or ''
-- A client repeats the call if Redis dies before it answers.
if args.try and string.sub(before, -#args.try) ~= args.try then
  local log = before == '' and args.try or before .. '\n' .. args.try
  local _, lines = string.gsub(log, '\n', '')
  if lines >= MOST_TRIES then log = string.gsub(log, '^[^\n]*\n', '', 1) end
  redis.call('HSET', texts_key(id), 'attempts', log)
  -- Redis allocates up to a fifth more for a long text.
  hold_more(get('key'), id, 1.2 * (#log - #before))
end
live(args.life or ended_life, args.life)
return get('key')
