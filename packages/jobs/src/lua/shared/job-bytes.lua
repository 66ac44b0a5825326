--[[
How many bytes the jobs of a key hold: their records, origins, graphs and attempts to deliver webhooks, in Redis or in files.
]]
--- @include "keys"

local function hold_bytes(key, job_id, bytes)
  redis.call('HINCRBY', job_bytes_key(key), job_id, bytes)
  redis.call('HINCRBY', job_bytes_key(key), 'total', bytes)
end
local function hold_more(key, job_id, more)
  if redis.call('HEXISTS', job_bytes_key(key), job_id) == 1 then hold_bytes(key, job_id, string.format('%d', more)) end
end
-- Releases the bytes of a job whose record is gone.
local function release_bytes(key, job_id)
  local bytes = redis.call('HGET', job_bytes_key(key), job_id)
  if not bytes then return end
  redis.call('HDEL', job_bytes_key(key), job_id)
  redis.call('HINCRBY', job_bytes_key(key), 'total', -bytes)
end
