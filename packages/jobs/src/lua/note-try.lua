--[[
Logs a try to deliver the job's webhook, unless the job was deleted meanwhile.

Input:
  KEYS[1] the record
  `id` of the job, `ended_life`: ms that its record lives when it has ended; `try` (JSON); `life`: for how many ms the
  job is to live at least; none when there is to be no other try

Output:
  nothing
]]
--- @include "shared/life"

-- The newest tries of one job.
local MOST_TRIES = 50

if not is_terminal(get('status')) then return end
redis.call('RPUSH', attempts_key(id), args.try)
redis.call('LTRIM', attempts_key(id), -MOST_TRIES, -1)
if args.life then outlive_delivery(args.life) else begin_lifetime() end
