--[[
Runs commands all at once, unless something has changed that they depend on.

Input:
  KEYS[1] any key
  `given`: commands that read one value each, with the value that was read before (empty: none)
  `commands`: what to run if all of these are still the same

Output:
  1, or 0 if something has changed and nothing was run
]]
--- @include "keys"

for _, pair in ipairs(args.given) do
  local command, value = unpack(pair)
  if (redis.call(unpack(command)) or '') ~= value then return 0 end
end
for _, command in ipairs(args.commands) do redis.call(unpack(command)) end
return 1
