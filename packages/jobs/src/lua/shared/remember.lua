--[[
Idempotency-Keys are remembered for a while. Those of one API key hold a quarter of its bytes, or little more; beyond that the
oldest are forgotten, since a record stays when its job is deleted.
]]
--- @include "keys"

-- What Redis needs for one besides its value, roughly.
local REMEMBERED_BYTES = 400
-- Forgotten by one call, at most.
local MOST_FORGOTTEN = 1000

-- An entry of the list is a digest, and the bytes of all records up to this one.
local function remember(key, digest, made, life, key_bytes)
  local list, name = remembered_of_key(key), idempotency_key(key, digest)
  local before = string.match(redis.call('LINDEX', list, -1) or '', '%d+$') or 0
  local bytes = before + #made + REMEMBERED_BYTES
  redis.call('SET', name, made, 'PX', life)
  redis.call('RPUSH', list, string.format('%s %d', digest, bytes))
  redis.call('PEXPIRE', list, life)
  for _ = 1, MOST_FORGOTTEN do
    local oldest, upto = string.match(redis.call('LINDEX', list, 0), '^(%S+) (%d+)$')
    local record = idempotency_key(key, oldest)
    if record == name or bytes - upto <= key_bytes / 4 and redis.call('EXISTS', record) == 1 then return end
    redis.call('DEL', record)
    redis.call('LPOP', list)
  end
end
