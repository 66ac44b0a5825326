--[[
Reads jobs and counts requests, for whoever asks in the same moment, in one round trip.

Input:
  KEYS[1] any key
  ARGV[3…] for each question two: 'job' and an id; 'alias' and, after a key and a space, an alias of one of its jobs or
      its id; or 'count' and a key

Output:
  JSON, which Node reads far quicker than lists of lists:
  for each job its snapshot, which by an alias may be one of another key; for each count how many requests of the key
  this minute has seen, this one included, and how many ms of it are left
]]
--- @include "shared/snapshot"

local WINDOW_MS = 60000

-- Counts a request. Kept out of the append-only file: a minute's count may be lost in a crash, and each read would wait
-- for the disk.
local function count(caller)
  local key = rate_key(caller)
  redis.set_repl(redis.REPL_NONE)
  local requests = redis.call('INCR', key)
  if requests == 1 then redis.call('PEXPIRE', key, WINDOW_MS) end
  redis.set_repl(redis.REPL_ALL)
  return {requests, redis.call('PTTL', key)}
end

local replies = {}
for n = 3, #ARGV, 2 do
  local subject = ARGV[n + 1]
  if ARGV[n] == 'count' then
    replies[#replies + 1] = count(subject)
  else
    if ARGV[n] == 'alias' then
      local caller, alias = string.match(subject, '^(.*) (.*)$')
      subject = redis.call('GET', alias_key(caller, alias)) or alias
    end
    id, record = subject, job_key(subject)
    replies[#replies + 1] = snapshot()
  end
end
return cjson.encode(replies)
