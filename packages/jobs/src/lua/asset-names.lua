--[[
Names that an API key gave to its assets. A name is valid as long as its asset exists.

Input:
  KEYS[1] the key's names
  `key`: the API key; `life`: how long an asset lives after its last use, in ms; `verb` and its own arguments, see below

Output:
  see below
]]
--- @include "shared/job"

-- Names of a key. Beyond that, the one given longest ago is forgotten.
local MOST_NAMES = 10000
-- After this many taken names, the asset's id goes into the name.
local MOST_TRIES = 1000
local DAY_MS = 86400000

local key, life = args.key, args.life
local names, by_time = KEYS[1], names_by_time_key(key)
local function is_own(asset_id) return redis.call('HGET', asset_key(asset_id), 'key') == key end
local function named(name)
  local asset_id = redis.call('HGET', names, name)
  return asset_id and is_own(asset_id) and asset_id
end
local function drop(name)
  redis.call('HDEL', names, name)
  redis.call('ZREM', by_time, name)
end

-- Names an asset `stem` + `extension`. If the name is taken by other content and `overwrite` is not set, a number goes in
-- between. Returns the name, or an empty string if the key has no such asset.
if args.verb == 'give' then
  local asset_id, stem, extension = args.asset, args.stem, args.extension
  if not is_own(asset_id) then return '' end
  local content = redis.call('HGET', asset_key(asset_id), 'digest')
  local function free_name()
    local name = stem .. extension
    for n = 1, MOST_TRIES do
      local holder = named(name)
      if not holder or args.overwrite or redis.call('HGET', asset_key(holder), 'digest') == content then return name end
      name = stem .. ' (' .. n .. ')' .. extension
    end
    return stem .. ' (' .. asset_id .. ')' .. extension
  end
  local name = free_name()
  redis.call('HSET', names, name, asset_id)
  redis.call('ZADD', by_time, now_ms(), name)
  if redis.call('ZCARD', by_time) > MOST_NAMES then drop(redis.call('ZRANGE', by_time, 0, 0)[1]) end
  outlive(names, life + DAY_MS)
  outlive(by_time, life + DAY_MS)
  return name
end

-- Returns the names given last, newest first, at most `limit`.
if args.verb == 'list' then
  local found = {}
  for _, name in ipairs(redis.call('ZREVRANGE', by_time, 0, args.limit - 1)) do
    if named(name) then found[#found + 1] = name else drop(name) end
  end
  return found
end

-- Forgets those of `names` whose asset is gone; returns how many they were.
local dropped = 0
for _, name in ipairs(args.names) do
  if not named(name) then
    drop(name)
    dropped = dropped + 1
  end
end
return dropped
