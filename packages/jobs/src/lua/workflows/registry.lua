--[[
For the scripts that change what is published: the registry, and how long the sources live that it names.
]]
--- @include "keys"
--- @include "constants"
--- @include "shared/clock"

local name, ended_life = args.name, args.ended_life
local function entry_of(workflow)
  local text = redis.call('HGET', workflows_key(), workflow)
  return text and cjson.decode(text) or {versions = {}}
end
-- A version that no name has any more lives for as long as the longest-lived record that may name it.
local function let_go(versions)
  if #versions == 0 then return end
  local named = table.concat(redis.call('HVALS', workflows_key()), ' ')
  for _, version in ipairs(versions) do
    if not string.find(named, version, 1, true) then
      redis.call('PEXPIRE', version_key(version), ended_life + UNDELIVERED_EXTRA_MS + INDEX_EXTRA_MS)
    end
  end
end
