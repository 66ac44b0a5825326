--[[
What an API key has stored.

Input:
  KEYS[1] any key
  ARGV[1] prefix
  ARGV[2] the API key
  ARGV[3] verb
  ARGV[4…] its arguments, see below

Output:
  see below
]]
--- @include "shared/clock"
--- @include "shared/storage"

local key, verb = ARGV[2], ARGV[3]

-- The key sent the file of that digest and so many bytes, and counts as having it for so many ms.
if verb == 'add' then
  local keys, bytes, life = input_keys_key(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
  if redis.call('ZADD', keys, 'NX', now_ms(), key) == 1 then add_stored(key, bytes, redis.call('ZCARD', keys) > 1) end
  redis.call('PEXPIRE', keys, life)
  return 1
end

-- Answers its bytes, its share in bytes (or -1 while that is unknown), and 1 if it may store no more now.
local stored, share, is_over = use_of_storage(key)
return {stored, share or -1, is_over and 1 or 0}
