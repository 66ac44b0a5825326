--[[
A key's virtual time in a pool is the GPU time that it was charged, in ms, divided by its weight. The key with the least
virtual time is served next, so that in the long run keys share GPU time by their weights, no matter what they send.
]]
--- @include "shared/job"

-- Charged for a job if no similar job has run yet: about a mid on a common card.
local UNKNOWN_MS = 10000
-- How much virtual time, in ms, a key can save up while no instance can run its waiting jobs, or two of its jobs if they
-- take longer. Beyond that it would keep other keys waiting for as long. More than the patience and a usual job, by which a
-- key falls behind when others are served first for their models.
local MOST_SAVED = 60000

-- Keeps all digits, so that equal times stay equal.
local function exact(time) return string.format('%.17g', time) end
-- Where an idle key begins: level with the waiting key that has used the least, but not ahead of the one served last.
local function present(pool)
  local least = tonumber(redis.call('HGET', schedule_key(pool), 'present') or 0)
  local first = redis.call('ZRANGE', keys_to_serve_key(pool), 0, 0, 'WITHSCORES')
  return math.min(least, tonumber(first[2]) or least)
end
-- Adds a key with a waiting job to the keys to serve. It saved up no time while it was idle, but keeps its debt.
local function begin_serving(pool, key)
  if redis.call('ZSCORE', keys_to_serve_key(pool), key) then return end
  local before = tonumber(redis.call('ZSCORE', virtual_times_key(pool), key) or 0)
  local begins = present(pool)
  if begins > (tonumber(redis.call('HGET', schedule_key(pool), 'begins') or nil) or 0) then
    redis.call('HSET', schedule_key(pool), 'begins', exact(begins))
  end
  local time = exact(math.max(before, begins))
  redis.call('ZADD', virtual_times_key(pool), time, key)
  redis.call('ZADD', keys_to_serve_key(pool), time, key)
end
local function step_of(gpu_ms) return gpu_ms / (tonumber(get('weight')) or 1) end
-- A charge that is taken back does not put a key before an idle key that began behind that charge, nor further back than a
-- key can save up. Otherwise other keys would wait for as long when jobs end early that were expected to take long.
local function advance(pool, key, gpu_ms)
  if gpu_ms == 0 then return end
  local before = tonumber(redis.call('ZSCORE', virtual_times_key(pool), key) or 0)
  local begins, served = unpack(redis.call('HMGET', schedule_key(pool), 'begins', 'present'))
  local floor = math.max(tonumber(begins or nil) or 0, (tonumber(served or nil) or 0) - MOST_SAVED)
  local time = exact(math.max(before + step_of(gpu_ms), math.min(before, floor)))
  redis.call('ZADD', virtual_times_key(pool), time, key)
  redis.call('ZADD', keys_to_serve_key(pool), 'XX', time, key)
end
local function expected_ms(pool, signature)
  local known = redis.call('HMGET', durations_key(pool), signature, version_of(signature), lod_of(signature))
  return tonumber(known[1] or known[2] or known[3]) or UNKNOWN_MS
end
-- Charges a job at its claim with what similar jobs cost.
local function charge()
  local charged, pool, key, signature = unpack(redis.call('HMGET', record, 'charged', 'pool', 'key', 'signature'))
  if (charged or '') ~= '' then return end
  local expected = expected_ms(pool, signature)
  local time = tonumber(redis.call('ZSCORE', virtual_times_key(pool), key) or 0)
  local served = tonumber(redis.call('HGET', schedule_key(pool), 'present') or 0)
  local saved = served - math.max(MOST_SAVED, 2 * expected)
  if time > served then redis.call('HSET', schedule_key(pool), 'present', exact(time)) end
  if time < saved then redis.call('ZADD', virtual_times_key(pool), exact(saved), key) end
  set('charged', expected)
  advance(pool, key, expected)
end
-- Takes back the charge of a job that is given back without having used a GPU.
local function refund()
  local charged = tonumber(get('charged')) or 0
  advance(get('pool'), get('key'), -charged)
  redis.call('HDEL', record, 'charged')
end
-- Adds the time of the execution that has just ended to `field`: used_ms, or faulty_ms if the instance may be at fault, which
-- costs nothing if the job succeeds in the end.
local function record_time(field)
  local used = now_ms() - (tonumber(get('started_at')) or now_ms())
  redis.call('HINCRBY', record, field, string.format('%d', math.max(0, used)))
end
-- Replaces the charge of a job at its end by what it really cost.
local function correct_charge(gpu_ms)
  local used = (tonumber(get('used_ms')) or 0) + gpu_ms
  advance(get('pool'), get('key'), used - (tonumber(get('charged')) or 0))
end
