--[[
Names that an API key gave to assets of its own. A name is one while its asset is there.

Input:
  KEYS[1] the key's names
  `key`, the API key; `life`: ms that an asset lives after its last use; `verb`, and what it needs, see below

Output:
  see below
]]
--- @include "shared/job"

-- Of a key; of more the one that was given longest ago is forgotten.
local MOST_NAMES = 10000
-- After so many that others have, the asset's id is in the name.
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

-- Calls an asset `stem` and `extension`; when another content is called so, and that is not to be overwritten, with a number
-- between the two. Answers the name; an empty text when the key has no such asset.
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

-- The names given last, newest first, so many at most.
if args.verb == 'list' then
  local found = {}
  for _, name in ipairs(redis.call('ZREVRANGE', by_time, 0, args.limit - 1)) do
    if named(name) then found[#found + 1] = name else drop(name) end
  end
  return found
end

-- Forgets those among these names whose asset is gone; answers how many.
local dropped = 0
for _, name in ipairs(args.names) do
  if not named(name) then
    drop(name)
    dropped = dropped + 1
  end
end
return dropped
