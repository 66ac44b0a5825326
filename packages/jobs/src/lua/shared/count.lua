--[[
Counts a request of a key. Answers how many this minute has seen, this one included, and how many ms of it are left.
]]
--- @include "keys"

local WINDOW_MS = 60000

-- Kept out of the append-only file: a minute's count may be lost in a crash, and each read would wait for the disk.
local function count(caller)
  local key = rate_key(caller)
  redis.set_repl(redis.REPL_NONE)
  local requests = redis.call('INCR', key)
  if requests == 1 then redis.call('PEXPIRE', key, WINDOW_MS) end
  redis.set_repl(redis.REPL_ALL)
  return {requests, redis.call('PTTL', key)}
end
