--[[
Publishes a workflow under a name: its newest version from now on. What is the newest already stays as it is.

Input:
  KEYS[1] any key
  `name`; `ended_life`: ms that an ended record lives; `version`; `source`; `by`: which API key; `most` versions of a
  name that are kept

Output:
  'new', 'changed' or 'same'
]]
--- @include "workflows/registry"

local version = args.version
local before = entry_of(name).versions
if before[1] and before[1].version == version then return 'same' end
local versions, dropped = {{version = version, at = now_ms(), by = args.by}}, {}
for _, known in ipairs(before) do
  if known.version ~= version then
    if #versions < args.most then versions[#versions + 1] = known else dropped[#dropped + 1] = known.version end
  end
end
redis.call('SET', version_key(version), args.source)
redis.call('HSET', workflows_key(), name, cjson.encode({versions = versions}))
let_go(dropped)
redis.call('PUBLISH', workflows_channel(), name)
return #before == 0 and 'new' or 'changed'
