--[[
What an API key used, day by day; changes nothing.

Input:
  KEYS[1] its usage of the last of these days
  `key`, the API key; `last`: that day, counted from 1970; `days`: how many; `counters`: their names

Output:
  JSON: for each day, the last one first, a list of the counters' values; false where there is none
]]
--- @include "keys"

local replies = {}
for ago = 0, args.days - 1 do
  replies[#replies + 1] = redis.call('HMGET', usage_key(args.key, args.last - ago), unpack(args.counters))
end
return cjson.encode(replies)
