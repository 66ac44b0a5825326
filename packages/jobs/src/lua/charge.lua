--[[
Books bytes that a key sends today (UTC), if it may send so many.

Input:
  KEYS[1] any key
  ARGV[1] prefix
  ARGV[2] key
  ARGV[3] bytes
  ARGV[4] most bytes of a day

Output:
  1, or 0 when it may not
]]
--- @include "keys"
--- @include "shared/clock"

local LIFE_MS = 2 * 86400000

local caller, bytes, most = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local key = uploads_key(caller, today())
local booked = tonumber(redis.call('GET', key) or 0)
if booked + bytes > most then return 0 end
redis.call('INCRBY', key, ARGV[3])
redis.call('PEXPIRE', key, LIFE_MS)
return 1
