--[[
Remembers Idempotency-Keys. Those of one API key hold about a quarter of its bytes at most; beyond that, the oldest are
forgotten. This bound is needed because they stay when their jobs are deleted.
]]
--- @include "keys"

-- Roughly what Redis stores for one, besides its value.
local REMEMBERED_BYTES = 400
-- The most that one call forgets.
local MOST_FORGOTTEN = 1000

-- An entry of the list is a digest and the sum of bytes up to it.
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
