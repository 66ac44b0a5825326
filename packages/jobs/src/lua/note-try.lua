--[[
Logs a try to deliver the job's webhook, unless the job was deleted meanwhile.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives
  ARGV[4] the try (JSON)
  ARGV[5] for how many ms the job is to live at least, or empty when there is to be no other try

Output:
  nothing
]]
--- @include "shared/life"

-- The newest tries of one job.
local MOST_TRIES = 50

if not is_terminal(get('status')) then return end
redis.call('RPUSH', attempts_key(id), ARGV[4])
redis.call('LTRIM', attempts_key(id), -MOST_TRIES, -1)
if ARGV[5] == '' then begin_lifetime() else outlive_delivery(tonumber(ARGV[5])) end
