--[[
A key's virtual time in a pool is the GPU time that it was charged, in ms, divided by its weight. The key with the least
virtual time is served next, so that in the long run keys share GPU time by their weights, no matter what they send.
]]
--- @include "shared/job"

-- Charged for a job if no similar job has run yet: about a mid on a common card.
local UNKNOWN_MS = 10000
-- So much of what a key's jobs in work were charged counts where idle keys begin. More may be an estimate that is taken back
-- when a job is canceled, after which the key that began would wait for as long.
local MOST_TRUSTED = 30000
-- How many keys are read to find out where an idle key begins.
local MOST_KEYS_COMPARED = 100

-- Keeps all digits, so that equal times stay equal.
local function exact(time) return string.format('%.17g', time) end
-- A virtual time without charges of jobs in work, as far as they are not trusted.
local function settled(pool, key, time)
  local pending = tonumber(redis.call('HGET', schedule_key(pool), 'pending ' .. key) or nil) or 0
  return time - math.max(0, pending - MOST_TRUSTED)
end
-- Where an idle key begins: level with the waiting key that has used the least, but not ahead of the one served last.
local function present(pool)
  local least = tonumber(redis.call('HGET', schedule_key(pool), 'present') or 0)
  local keys = redis.call('ZRANGE', keys_to_serve_key(pool), 0, MOST_KEYS_COMPARED - 1, 'WITHSCORES')
  for n = 1, #keys, 2 do least = math.min(least, settled(pool, keys[n], keys[n + 1])) end
  return least
end
-- Adds a key with a waiting job to the keys to serve. It saved up no time while it was idle, but keeps its debt.
local function begin_serving(pool, key)
  if redis.call('ZSCORE', keys_to_serve_key(pool), key) then return end
  local before = tonumber(redis.call('ZSCORE', virtual_times_key(pool), key) or 0)
  local time = exact(math.max(before, present(pool)))
  redis.call('ZADD', virtual_times_key(pool), time, key)
  redis.call('ZADD', keys_to_serve_key(pool), time, key)
end
local function step_of(gpu_ms) return string.format('%.3f', gpu_ms / (tonumber(get('weight')) or 1)) end
local function advance(pool, key, gpu_ms)
  if gpu_ms == 0 then return end
  local step = step_of(gpu_ms)
  local time = redis.call('ZINCRBY', virtual_times_key(pool), step, key)
  redis.call('ZADD', keys_to_serve_key(pool), 'XX', time, key)
end
local function expected_ms(pool, signature)
  local known = redis.call('HMGET', durations_key(pool), signature, version_of(signature), lod_of(signature))
  return tonumber(known[1] or known[2] or known[3]) or UNKNOWN_MS
end
local function change_pending(pool, key, gpu_ms)
  if gpu_ms == 0 then return end
  local field = 'pending ' .. key
  local sum = redis.call('HINCRBYFLOAT', schedule_key(pool), field, step_of(gpu_ms))
  if tonumber(sum) < 0.001 then redis.call('HDEL', schedule_key(pool), field) end
end
-- Charges a job at its claim with what similar jobs cost.
local function charge()
  local charged, pool, key, signature = unpack(redis.call('HMGET', record, 'charged', 'pool', 'key', 'signature'))
  if (charged or '') ~= '' then return end
  local time = settled(pool, key, tonumber(redis.call('ZSCORE', virtual_times_key(pool), key) or 0))
  local served = tonumber(redis.call('HGET', schedule_key(pool), 'present') or 0)
  if time > served then redis.call('HSET', schedule_key(pool), 'present', exact(time)) end
  local expected = expected_ms(pool, signature)
  set('charged', expected)
  advance(pool, key, expected)
  change_pending(pool, key, expected)
end
-- Takes back the charge of a job that is given back without having used a GPU.
local function refund()
  local charged = tonumber(get('charged')) or 0
  advance(get('pool'), get('key'), -charged)
  change_pending(get('pool'), get('key'), -charged)
  redis.call('HDEL', record, 'charged')
end
-- Counts the time of a failed execution that was not the instance's fault.
local function record_used_time()
  local used = now_ms() - (tonumber(get('started_at')) or now_ms())
  redis.call('HINCRBY', record, 'used_ms', string.format('%d', math.max(0, used)))
end
-- Replaces the charge of a job at its end by what it really cost.
local function correct_charge(gpu_ms)
  local used = (tonumber(get('used_ms')) or 0) + (gpu_ms or 0)
  local charged = tonumber(get('charged')) or 0
  advance(get('pool'), get('key'), used - charged)
  change_pending(get('pool'), get('key'), -charged)
end
