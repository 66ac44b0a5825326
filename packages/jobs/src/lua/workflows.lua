--[[
Changes which workflows are published.

Input:
  KEYS[1] any key
  `name` of the workflow; `ended_life`: how long an ended record lives, in ms; `verb`: `publish` or `withdraw`
  for `publish`: `version`, `source`, `by` (the API key that publishes it), `most` (versions to keep)

Output:
  for `publish`: 'new', 'changed', or 'same' if this version is the newest already
  for `withdraw`: 1, or 0 if no workflow has this name; jobs keep the sources that they name
]]
--- @include "keys"
--- @include "constants"
--- @include "shared/clock"

local name = args.name

local function published_versions()
  local entry = redis.call('HGET', workflows_key(), name)
  return entry and cjson.decode(entry).versions or {}
end
-- Lets a source expire that no name has any more. It outlives every record that may name it.
local function expire_unnamed(versions)
  if #versions == 0 then return end
  local named = table.concat(redis.call('HVALS', workflows_key()), ' ')
  for _, version in ipairs(versions) do
    if not string.find(named, version, 1, true) then
      redis.call('PEXPIRE', version_key(version), args.ended_life + UNDELIVERED_EXTRA_MS + INDEX_EXTRA_MS)
    end
  end
end

local before = published_versions()
if args.verb == 'withdraw' then
  if redis.call('HDEL', workflows_key(), name) == 0 then return 0 end
  local versions = {}
  for _, known in ipairs(before) do versions[#versions + 1] = known.version end
  expire_unnamed(versions)
  return 1
end

local version = args.version
if before[1] and before[1].version == version then return 'same' end
local versions, dropped = {{version = version, at = now_ms(), by = args.by}}, {}
for _, known in ipairs(before) do
  if known.version ~= version then
    if #versions < args.most then versions[#versions + 1] = known else dropped[#dropped + 1] = known.version end
  end
end
redis.call('SET', version_key(version), args.source)
redis.call('HSET', workflows_key(), name, cjson.encode({versions = versions}))
expire_unnamed(dropped)
return #before == 0 and 'new' or 'changed'
