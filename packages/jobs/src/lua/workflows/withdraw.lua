--[[
Takes a name out of the registry. Jobs go on to have the sources that they name.

Input:
  KEYS[1] any key
  `name`; `ended_life`: ms that an ended record lives

Output:
  1, or 0 when there was no such name
]]
--- @include "workflows/registry"

local versions = {}
for _, known in ipairs(entry_of(name).versions) do versions[#versions + 1] = known.version end
if redis.call('HDEL', workflows_key(), name) == 0 then return 0 end
let_go(versions)
redis.call('PUBLISH', workflows_channel(), name)
return 1
