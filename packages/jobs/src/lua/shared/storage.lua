--[[
Stored files: which jobs use one, and how many bytes API keys have stored.
]]
--- @include "constants"
--- @include "keys"
--- @include "shared/job"

-- When the storage is filled to this part, keys beyond their share may store no more. What they have in work still needs
-- space, and must not fill the storage for the others.
local NEARLY_FULL = 0.9

local function is_counted(bytes) return bytes and tonumber(bytes) ~= 0 end
-- What the files in JSON count as: the sum of all `"bytes":<n>`. Text inside JSON cannot match, because its quotes are escaped.
local function bytes_in(json)
  local sum = 0
  for bytes in string.gmatch(json, '"bytes":(%d+)') do sum = sum + math.max(LEAST_FILE_BYTES, bytes) end
  return sum
end
-- Adds bytes (or removes them, if negative) to what the key has stored. `shared`: other keys have the file as well.
local function add_stored(key, bytes, shared)
  local storage = storage_key()
  if not is_counted(bytes) then return end
  local change = string.format('%d', bytes)
  local had = is_counted(redis.call('HGET', storage, 'stored ' .. key))
  local has = is_counted(redis.call('HINCRBY', storage, 'stored ' .. key, change))
  if had ~= has then redis.call('HINCRBY', storage, 'keys', has and 1 or -1) end
  if not shared then redis.call('HINCRBY', storage, 'bytes', change) end
end
-- Adds to the number of files that the key has sent.
local function add_files(key, n) redis.call('HINCRBY', storage_key(), 'files ' .. key, n) end
-- The field that says since when no key has a file, because the last one deleted it.
local UNOWNED = ':unowned'
-- Counts a file for a key that has sent it, for at least `life` ms.
local function count_file(key, digest, bytes, life)
  local senders = senders_key(digest)
  redis.call('HDEL', senders, UNOWNED)
  if redis.call('HSETNX', senders, key, now_ms()) == 1 then
    add_stored(key, math.max(LEAST_FILE_BYTES, bytes), redis.call('HLEN', senders) > 1)
    add_files(key, 1)
  end
  outlive(senders, life)
end
-- Returns what the key has stored, its share (false until the housekeeping has measured the store), whether it may store
-- no more now (the store is nearly full, and the key's files that cannot be deleted fill its share), and the bytes of these.
local function use_of_storage(key)
  local fields = redis.call('HMGET', storage_key(), 'stored ' .. key, 'evictable ' .. key, 'bytes', 'most', 'keys')
  local stored, evictable, bytes, most = tonumber(fields[1] or 0), tonumber(fields[2] or 0), tonumber(fields[3] or 0), fields[4]
  local lasting = stored - evictable
  if not most then return stored, false, false, lasting end
  local share = math.max(1, math.floor(most / math.max(1, tonumber(fields[5] or 0))))
  return stored, share, bytes >= NEARLY_FULL * most and lasting >= share, lasting
end
local function is_over_storage(key)
  local _, _, is_over = use_of_storage(key)
  return is_over
end
-- Whether an open job (of `key`, if given) uses a file. Until it finds one, removes jobs that have ended from the set of users.
local function is_used(uses, key)
  for _, user in ipairs(redis.call('SMEMBERS', uses)) do
    local status, owner = unpack(redis.call('HMGET', job_key(user), 'status', 'key'))
    if not status or is_terminal(status) then redis.call('SREM', uses, user)
    elseif not key or owner == key then return true end
  end
  return false
end
