--[[
A key's virtual time in a pool: the GPU milliseconds that it was charged, divided by its weight. The key that has the
least is served next, so that in the long run their GPU time stands as their weights, whatever each of them sends.
]]
--- @include "shared/job"

-- What is charged for a job while nothing was learned of its like: a mid on a common card.
local UNKNOWN_MS = 10000

-- So that keys that are level stay so.
local function exact(time) return string.format('%.17g', time) end
-- A key that was idle begins here: level with the one that is served next, and with what was served last.
local function present(pool)
  local served = tonumber(redis.call('HGET', schedule_key(pool), 'present') or 0)
  local following = redis.call('ZRANGE', keys_to_serve_key(pool), 0, 0, 'WITHSCORES')[2]
  return following and math.min(tonumber(following), served) or served
end
-- It has a job that waits. It cannot have saved up any time while it was idle, and still owes what it owed.
local function begin_serving(pool, key)
  if redis.call('ZSCORE', keys_to_serve_key(pool), key) then return end
  local before = tonumber(redis.call('ZSCORE', virtual_times_key(pool), key) or 0)
  local time = exact(math.max(before, present(pool)))
  redis.call('ZADD', virtual_times_key(pool), time, key)
  redis.call('ZADD', keys_to_serve_key(pool), time, key)
end
local function advance(pool, key, gpu_ms)
  if gpu_ms == 0 then return end
  local step = string.format('%.3f', gpu_ms / (tonumber(get('weight')) or 1))
  local time = redis.call('ZINCRBY', virtual_times_key(pool), step, key)
  redis.call('ZADD', keys_to_serve_key(pool), 'XX', time, key)
end
local function expected_ms(pool, signature)
  local known = redis.call('HMGET', durations_key(pool), signature, version_of(signature), lod_of(signature))
  return tonumber(known[1] or known[2] or known[3]) or UNKNOWN_MS
end
-- At its claim a job is charged with what its like cost.
local function charge()
  local charged, pool, key, signature = unpack(redis.call('HMGET', record, 'charged', 'pool', 'key', 'signature'))
  if (charged or '') ~= '' then return end
  local time = tonumber(redis.call('ZSCORE', virtual_times_key(pool), key) or 0)
  local served = tonumber(redis.call('HGET', schedule_key(pool), 'present') or 0)
  if time > served then redis.call('HSET', schedule_key(pool), 'present', exact(time)) end
  local expected = expected_ms(pool, signature)
  set('charged', expected)
  advance(pool, key, expected)
end
-- It goes back without having had a GPU.
local function refund()
  advance(get('pool'), get('key'), -(tonumber(get('charged')) or 0))
  redis.call('HDEL', record, 'charged')
end
-- An execution that came to nothing, and was not the instance's fault.
local function record_used_time()
  local used = now_ms() - (tonumber(get('started_at')) or now_ms())
  redis.call('HINCRBY', record, 'used_ms', string.format('%d', math.max(0, used)))
end
-- At its end it is charged with what it did cost.
local function correct_charge(gpu_ms)
  local used = (tonumber(get('used_ms')) or 0) + (gpu_ms or 0)
  advance(get('pool'), get('key'), used - (tonumber(get('charged')) or 0))
end
