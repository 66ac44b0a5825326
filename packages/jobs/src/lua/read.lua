--[[
Reads jobs and counts requests, many in one round trip.

Input:
  KEYS[1] any key
  ARGV[3…] two arguments for each question: 'job' and an id; 'alias' and `<key> <alias or id>`; or 'count' and a key

Output:
  JSON, which Node parses far faster than nested lists:
  for each job its snapshot; for an alias, this may be a job of another key
  for each count, how many requests the key sent in the current minute, including this one, and how many ms of it are left
  then the long values of the records, which have their number in the JSON: cjson would escape them byte by byte
]]
--- @include "shared/snapshot"

local WINDOW_MS = 60000

-- Counts a request. The count stays out of the append-only file: it may be lost in a crash, and otherwise each read would
-- wait for the disk.
local function count(caller)
  local key = rate_key(caller)
  redis.set_repl(redis.REPL_NONE)
  local requests = redis.call('INCR', key)
  if requests == 1 then redis.call('PEXPIRE', key, WINDOW_MS) end
  redis.set_repl(redis.REPL_ALL)
  return {requests, redis.call('PTTL', key)}
end

local LONG = 4096

local replies, long = {}, {}
local function set_long_aside(fields)
  for n = 2, #fields, 2 do
    if #fields[n] > LONG then
      long[#long + 1] = fields[n]
      fields[n] = #long
    end
  end
end
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
    set_long_aside(replies[#replies][1])
  end
end
return {cjson.encode(replies), unpack(long)}
