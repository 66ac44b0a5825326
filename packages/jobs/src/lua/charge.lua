--[[
Books bytes that a key sends today (UTC), if it may send so many.

Input:
  KEYS[1] any key
  `key`, the API key; `bytes`; `most` bytes of a day

Output:
  1, or 0 when it may not
]]
--- @include "keys"
--- @include "shared/clock"

local LIFE_MS = 2 * 86400000

local key = uploads_key(args.key, today())
local booked = tonumber(redis.call('GET', key) or 0)
if booked + args.bytes > args.most then return 0 end
redis.call('INCRBY', key, args.bytes)
redis.call('PEXPIRE', key, LIFE_MS)
return 1
