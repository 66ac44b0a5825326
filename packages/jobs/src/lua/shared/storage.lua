--[[
Stored files: which jobs use one, and how many bytes API keys have stored.
]]
--- @include "keys"
--- @include "shared/job"

local function is_counted(bytes) return bytes and tonumber(bytes) ~= 0 end
-- The sum of the sizes in a list of files, or of outputs, as JSON. No text in it can look like that: it has no bare quotes.
local function bytes_in(json)
  local sum = 0
  for bytes in string.gmatch(json, '"bytes":(%d+)') do sum = sum + bytes end
  return sum
end
-- Adds bytes, which may be negative, to what the key has stored. `shared`: other keys have the file as well.
local function add_stored(key, bytes, shared)
  local storage = storage_key()
  if not is_counted(bytes) then return end
  local change = string.format('%d', bytes)
  if not is_counted(redis.call('HGET', storage, 'stored ' .. key)) then redis.call('HINCRBY', storage, 'keys', 1) end
  redis.call('HINCRBY', storage, 'stored ' .. key, change)
  if not shared then redis.call('HINCRBY', storage, 'bytes', change) end
end
-- What the key has stored, its share, and whether it may store no more now: the store is full, and what cannot be deleted
-- of the key's fills its share. The share is unknown until the housekeeping has looked.
local function use_of_storage(key)
  local fields = redis.call('HMGET', storage_key(), 'stored ' .. key, 'evictable ' .. key, 'bytes', 'most', 'keys')
  local stored, evictable, bytes, most = tonumber(fields[1] or 0), tonumber(fields[2] or 0), tonumber(fields[3] or 0), fields[4]
  if not most then return stored, false, false end
  local share = math.max(1, math.floor(most / math.max(1, tonumber(fields[5] or 0))))
  return stored, share, bytes >= tonumber(most) and stored - evictable >= share
end
local function is_over_storage(key)
  local _, _, is_over = use_of_storage(key)
  return is_over
end
-- Whether an open job does, of that key if there is one; those that have ended are forgotten.
local function is_used(uses, key)
  local used = false
  for _, user in ipairs(redis.call('SMEMBERS', uses)) do
    local status, owner = unpack(redis.call('HMGET', job_key(user), 'status', 'key'))
    if not status or is_terminal(status) then redis.call('SREM', uses, user)
    elseif not key or owner == key then used = true end
  end
  return used
end
