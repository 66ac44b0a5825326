--[[
The assets of API keys: the files that they sent. A file is stored once, no matter how many keys sent it.

Input:
  KEYS[1] any key
  `id` of the asset, except for `find`, `names` and `retire`; `life`: how long an asset lives after its last use, in ms;
  `verb` and its own arguments, see below

Output:
  see below; a record is a list of fields and values, empty for an asset that the key does not have
]]
--- @include "shared/storage"

local usual_life, verb = args.life, args.verb
local DAY_MS = 86400000
-- The most that Redis stores for an asset. A key may have as many assets as fit into its bytes.
local ASSET_BYTES = 6144
-- Paths under which a key may have the same content. All of them are read when the content is sent.
local MOST_PATHS = 100
-- After this many taken paths, the digest goes into the path.
local MOST_TRIES = 100
local SAMPLED = 100

-- The ids of the key's assets with this content, and since when the key has it.
local function owned_of(key, digest)
  local owned, entry = {}, redis.call('HGET', senders_key(digest), key) or ''
  for asset_id in string.gmatch(entry, ' (%S+)') do
    if redis.call('EXISTS', asset_key(asset_id)) == 1 then owned[#owned + 1] = asset_id end
  end
  return owned, string.match(entry, '^%d+')
end
-- Whether the asset still has its path, which a later one may have taken.
local function has_path(asset_id, key, path) return redis.call('GET', asset_path_key(key, path)) == asset_id end
-- Puts a number between stem and extension if other content of the key has that path.
local function free_path(key, digest, stem, extension)
  for n = 0, MOST_TRIES - 1 do
    local path = stem .. (n == 0 and '' or ' (' .. n .. ')') .. extension
    local holder = redis.call('GET', asset_path_key(key, path))
    local content = holder and redis.call('HGET', asset_key(holder), 'digest')
    if not content or content == digest then return path end
  end
  return stem .. ' (' .. string.sub(digest, 1, 16) .. ')' .. extension
end
-- Renews the lifetime of an asset. Never shortens it.
local function live(asset_id, key, digest)
  local asset, now = asset_key(asset_id), now_ms()
  local own_life, lives_until, path = unpack(redis.call('HMGET', asset, 'life', 'expires_at', 'path'))
  local expires = math.max(tonumber(lives_until or 0), now + (tonumber(own_life) or usual_life))
  local life = expires - now
  redis.call('HSET', asset, 'used_at', now, 'expires_at', string.format('%d', expires))
  redis.call('PEXPIRE', asset, life)
  if has_path(asset_id, key, path) then redis.call('PEXPIRE', asset_path_key(key, path), life) end
  outlive(assets_of_key(key), life + DAY_MS)
  -- The upload counted the file, but a deletion since then may have removed it from the count.
  count_file(key, digest, bytes_in(redis.call('HGET', asset, 'data')), life)
end
local function remove(asset_id)
  local asset = asset_key(asset_id)
  local key, path = unpack(redis.call('HMGET', asset, 'key', 'path'))
  if has_path(asset_id, key, path) then redis.call('DEL', asset_path_key(key, path)) end
  redis.call('DEL', asset)
  redis.call('ZREM', assets_of_key(key), asset_id)
end
-- Stops counting a file for a key that has no asset of it. Without any key, the housekeeping deletes it.
local function give_up(key, digest, bytes)
  local senders = senders_key(digest)
  if #owned_of(key, digest) > 0 or redis.call('HDEL', senders, key) == 0 then return end
  local is_unowned = redis.call('HLEN', senders) == 0
  add_stored(key, -bytes, not is_unowned)
  add_files(key, -1)
  if not is_unowned then return end
  redis.call('HSET', senders, UNOWNED, now_ms())
  outlive(senders, usual_life)
end
-- Finds the asset with this path among the key's assets of one content; without a path, the longest-lived one.
local function known_as(owned, path)
  local known, longest = nil, 0
  for _, own in ipairs(owned) do
    local its_path, expires = unpack(redis.call('HMGET', asset_key(own), 'path', 'expires_at'))
    if path == '' and tonumber(expires) > longest then known, longest = own, tonumber(expires) end
    if path ~= '' and its_path == path then return own end
  end
  return known
end
-- The ids of expired assets are removed only when there are too many.
local function has_too_many(index, most)
  if redis.call('ZCARD', index) < most then return false end
  for _, other in ipairs(redis.call('ZRANDMEMBER', index, SAMPLED)) do
    if redis.call('EXISTS', asset_key(other)) == 0 then redis.call('ZREM', index, other) end
  end
  return redis.call('ZCARD', index) >= most
end

-- Records that the key has the stored file `digest`, called `name` in the store. `path` is where the key finds it, or empty.
-- With its parts, `stem` and `extension`, the path gets a number if other content has it. `data` describes the file (JSON).
-- `own_life` (ms) belongs to the asset. Returns 1 for a new asset, else 0; 1 if the content is new to the key, else 0; and the
-- record. Returns 'paths' or 'assets' if the key has too many of them.
if verb == 'keep' then
  local key, digest = args.key, args.digest
  local path = args.stem and free_path(key, digest, args.stem, args.extension) or args.path
  local owned, since = owned_of(key, digest)
  local known = known_as(owned, path)
  if not known and #owned >= MOST_PATHS then return 'paths' end
  if not known and has_too_many(assets_of_key(key), args.key_bytes / ASSET_BYTES) then return 'assets' end
  local asset_id = known or id
  local asset = asset_key(asset_id)
  if not known then
    redis.call('HSET', asset, 'id', asset_id, 'key', key, 'digest', digest, 'name', args.name,
      'data', args.data, 'path', path, 'created_at', now_ms())
    redis.call('ZADD', assets_of_key(key), 0, asset_id)
  end
  if args.own_life then redis.call('HSET', asset, 'life', args.own_life) end
  if path ~= '' then redis.call('SET', asset_path_key(key, path), asset_id) end
  live(asset_id, key, digest)
  if not known then
    redis.call('HSET', senders_key(digest), key, table.concat({since or now_ms(), id, unpack(owned)}, ' '))
  end
  return {known and 0 or 1, #owned > 0 and 0 or 1, redis.call('HGETALL', asset)}
end

-- Returns the record of the key's asset with this content, the longest-lived if there are several.
if verb == 'find' then
  local known = known_as(owned_of(args.key, args.digest), '')
  return known and redis.call('HGETALL', asset_key(known)) or {}
end

-- Returns the paths of the key's `most` newest assets, empty for one without a path. Clients of ComfyUI ask for them often.
if verb == 'names' then
  local paths = redis.call('ZREVRANGE', assets_of_key(args.key), 0, args.most - 1)
  for n, asset_id in ipairs(paths) do paths[n] = redis.call('HGET', asset_key(asset_id), 'path') or '' end
  return paths
end

-- Removes all assets of a file, so that the file may be deleted; returns 1. Returns 0 if an open job starts from the file
-- or, with `unused_ms`, if an asset was used within that time or has a lifetime of its own that lasts longer.
if verb == 'retire' then
  local digest, unused_ms, assets = args.digest, args.unused_ms, {}
  if is_used(input_uses_key(digest)) then return 0 end
  for _, key in ipairs(redis.call('HKEYS', senders_key(digest))) do
    for _, asset_id in ipairs(owned_of(key, digest)) do
      local used_at, life, expires = unpack(redis.call('HMGET', asset_key(asset_id), 'used_at', 'life', 'expires_at'))
      local is_recent = unused_ms and now_ms() - used_at < unused_ms
      if is_recent or unused_ms and life and tonumber(expires) > tonumber(now_ms()) then return 0 end
      assets[#assets + 1] = asset_id
    end
  end
  for _, asset_id in ipairs(assets) do remove(asset_id) end
  redis.call('DEL', senders_key(digest))
  return 1
end

local asset, caller = asset_key(id), args.key
local key, digest = unpack(redis.call('HMGET', asset, 'key', 'digest'))
if key ~= caller then return verb == 'delete' and 'absent' or {} end
-- Renews the lifetime of the asset; returns its record.
if verb == 'use' then
  live(id, key, digest)
  return redis.call('HGETALL', asset)
end
-- Deletes the asset. Returns 'deleted', 'absent', or 'used' while an open job of the key starts from the file. Jobs of other
-- keys do not prevent it, so that the key learns nothing about them; the file stays for them.
if is_used(input_uses_key(digest), caller) then return 'used' end
local bytes = bytes_in(redis.call('HGET', asset, 'data'))
remove(id)
give_up(caller, digest, bytes)
return 'deleted'
