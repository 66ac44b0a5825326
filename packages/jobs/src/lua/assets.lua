--[[
The assets of API keys: files that they sent, each stored once whoever sent it.

Input:
  KEYS[1] any key
  ARGV[1] prefix
  ARGV[2] id of the asset; none for `retire`
  ARGV[3] ms that an asset lives after its last use
  ARGV[4] verb
  ARGV[5…] its arguments, see below

Output:
  see below; a record is its field–value pairs, none for an asset that the key does not have
]]
--- @include "shared/file-uses"

local life, verb = tonumber(ARGV[3]), ARGV[4]
local DAY_MS = 86400000

local function live(asset, key, digest)
  redis.call('HSET', asset, 'used_at', now_ms())
  redis.call('PEXPIRE', asset, life)
  redis.call('PEXPIRE', asset_with_key(key, digest), life)
  outlive(assets_of_key(key), life + DAY_MS)
  outlive(asset_owners_key(digest), life)
end
local function remove(asset_id)
  local asset = asset_key(asset_id)
  local key, digest = unpack(redis.call('HMGET', asset, 'key', 'digest'))
  redis.call('DEL', asset, asset_with_key(key, digest))
  redis.call('ZREM', assets_of_key(key), asset_id)
  redis.call('SREM', asset_owners_key(digest), asset_id)
end
-- The ids of the assets that have the file.
local function owners_of(digest)
  local owners = {}
  for _, owner in ipairs(redis.call('SMEMBERS', asset_owners_key(digest))) do
    if redis.call('EXISTS', asset_key(owner)) == 1 then owners[#owners + 1] = owner
    else redis.call('SREM', asset_owners_key(digest), owner) end
  end
  return owners
end

-- The key has the file of that digest and name; `data` says what it is. Answers 1 for a new asset, 0 for one that the
-- key had, and the record.
if verb == 'keep' then
  local key, digest, name, data = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
  local known = redis.call('GET', asset_with_key(key, digest))
  local is_new = not known or redis.call('EXISTS', asset_key(known)) == 0
  local asset_id = is_new and ARGV[2] or known
  local asset = asset_key(asset_id)
  if is_new then
    redis.call('HSET', asset, 'id', asset_id, 'key', key, 'digest', digest, 'name', name, 'data', data,
      'created_at', now_ms())
    redis.call('SET', asset_with_key(key, digest), asset_id)
    redis.call('ZADD', assets_of_key(key), 0, asset_id)
    redis.call('SADD', asset_owners_key(digest), asset_id)
  end
  redis.call('ZREM', unowned_key(), name)
  live(asset, key, digest)
  return {is_new and 1 or 0, redis.call('HGETALL', asset)}
end

-- May be deleted with all assets that have it: the file of that digest and name, which nobody has used for so many ms.
-- Answers 1, or 0 when somebody has.
if verb == 'retire' then
  local digest, name, unused_ms = ARGV[5], ARGV[6], tonumber(ARGV[7])
  if is_used(input_uses_key(digest)) then return 0 end
  local owners = owners_of(digest)
  for _, owner in ipairs(owners) do
    if now_ms() - redis.call('HGET', asset_key(owner), 'used_at') < unused_ms then return 0 end
  end
  for _, owner in ipairs(owners) do remove(owner) end
  redis.call('ZREM', unowned_key(), name)
  return 1
end

local asset, caller = asset_key(id), ARGV[5]
local key, digest, name = unpack(redis.call('HMGET', asset, 'key', 'digest', 'name'))
if key ~= caller then return verb == 'delete' and 'absent' or {} end
-- It is as young as a new one. Answers its record.
if verb == 'use' then
  live(asset, key, digest)
  return redis.call('HGETALL', asset)
end
-- Answers 'deleted'; 'used' while an open job of anybody starts from the file; 'absent'.
if is_used(input_uses_key(digest)) then return 'used' end
remove(id)
if #owners_of(digest) == 0 then redis.call('ZADD', unowned_key(), now_ms(), name) end
return 'deleted'
