--[[
What an API key used, day by day; changes nothing.

Input:
  KEYS[1] its usage of the last of these days
  ARGV[1] prefix
  ARGV[2] the API key
  ARGV[3] that day, counted from 1970
  ARGV[4] how many days
  ARGV[5…] names of counters

Output:
  JSON: for each day, the last one first, a list of the counters' values; false where there is none
]]
--- @include "keys"

local last, days = tonumber(ARGV[3]), tonumber(ARGV[4])
local replies = {}
for ago = 0, days - 1 do
  replies[#replies + 1] = redis.call('HMGET', usage_key(ARGV[2], last - ago), unpack(ARGV, 5))
end
return cjson.encode(replies)
