--[[
Publishes a workflow under a name: its newest version from now on. What is the newest already stays as it is.

Input:
  KEYS[1] any key
  ARGV[1] prefix
  ARGV[2] name
  ARGV[3] ms that an ended record lives
  ARGV[4] version
  ARGV[5] its source
  ARGV[6] by which API key
  ARGV[7] how many versions of a name are kept

Output:
  'new', 'changed' or 'same'
]]
--- @include "workflows/registry"

local version, source, by, most = ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])
local before = entry_of(name).versions
if before[1] and before[1].version == version then return 'same' end
local versions, dropped = {{version = version, at = now_ms(), by = by}}, {}
for _, known in ipairs(before) do
  if known.version ~= version then
    if #versions < most then versions[#versions + 1] = known else dropped[#dropped + 1] = known.version end
  end
end
redis.call('SET', version_key(version), source)
redis.call('HSET', workflows_key(), name, cjson.encode({versions = versions}))
let_go(dropped)
redis.call('PUBLISH', workflows_channel(), name)
return #before == 0 and 'new' or 'changed'
