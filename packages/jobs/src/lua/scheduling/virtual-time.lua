--[[
A key's virtual time in a pool is the GPU time that its jobs have used, in ms, divided by its weight. The key with the least
virtual time is served next, so that in the long run keys share GPU time by their weights, no matter what they send. Each job
in work counts besides, for about as long as jobs of its key took lately: only the key itself can influence that.
]]
--- @include "shared/job"
--- @include "constants"

-- How much virtual time, in ms, a key can save up while no instance can run its waiting jobs. Beyond that it would keep
-- other keys waiting for as long. More than the patience and a usual job, by which a key falls behind when others are served
-- first for their models.
local MOST_SAVED = 60000

-- What each claim costs besides, since an instance is busy with every job for a moment: otherwise a key could keep it for
-- itself with jobs that fail at once.
local CLAIM_MS = 50
local MOST_UNCHECKED_MS = 5000

-- Keeps all digits, so that equal times stay equal.
local function exact(time) return string.format('%.17g', time) end
local function read_time(pool, key) return tonumber(redis.call('HGET', schedule_key(pool), 'time ' .. key) or 0) end
local function read_served(pool) return tonumber(redis.call('HGET', schedule_key(pool), 'present') or 0) end
-- Keys are served in the order of their places: the virtual time plus what the jobs in work count for.
local function read_ahead(pool, key) return tonumber(redis.call('HGET', schedule_key(pool), 'ahead ' .. key) or 0) end
local function place_of(pool, key) return exact(read_time(pool, key) + read_ahead(pool, key)) end
local function put_in_place(pool, key) redis.call('ZADD', keys_to_serve_key(pool), 'XX', place_of(pool, key), key) end
local function set_time(pool, key, time)
  redis.call('HSET', schedule_key(pool), 'time ' .. key, exact(time))
  put_in_place(pool, key)
end
-- Adds a key with a waiting job to the keys to serve. It saved up no time while it was idle: it begins in the place of the
-- key to be served next, but not ahead of the one served last. If it has used more, it keeps that.
local function begin_serving(pool, key)
  if redis.call('ZSCORE', keys_to_serve_key(pool), key) then return end
  local place = redis.call('ZRANGE', keys_to_serve_key(pool), 0, 0, 'WITHSCORES')[2]
  set_time(pool, key, math.max(read_time(pool, key), math.min(read_served(pool), tonumber(place) or math.huge)))
  redis.call('ZADD', keys_to_serve_key(pool), place_of(pool, key), key)
end
local function step_of(gpu_ms) return gpu_ms / (tonumber(get('weight')) or 1) end
local function advance(pool, key, gpu_ms)
  if gpu_ms ~= 0 then set_time(pool, key, read_time(pool, key) + step_of(gpu_ms)) end
end
local function usual_ms(pool, key) return tonumber(redis.call('HGET', durations_key(pool), 'key ' .. key) or nil) end
-- What a job of the key counts for while it is in work, in ms: the most until it is known how long its jobs take.
local function in_work_ms(pool, key)
  return math.max(IN_WORK_MS, usual_ms(pool, key) or MOST_IN_WORK_MS)
end
local function add_ahead(pool, key, step)
  local ahead = redis.call('HINCRBYFLOAT', schedule_key(pool), 'ahead ' .. key, exact(step))
  if tonumber(ahead) < 0.001 then redis.call('HDEL', schedule_key(pool), 'ahead ' .. key) end
  put_in_place(pool, key)
end
local function count_in_work()
  local pool, key = get('pool'), get('key')
  local ahead = step_of(in_work_ms(pool, key))
  set('ahead', exact(ahead))
  add_ahead(pool, key, ahead)
end
local function count_no_more()
  local ahead = tonumber(get('ahead'))
  if not ahead then return end
  add_ahead(get('pool'), get('key'), -ahead)
  redis.call('HDEL', record, 'ahead')
end
-- How much later than elsewhere a key comes on an instance, since it saved up time beside the keys that are served there.
local function read_lift(pool, key, instance) return tonumber(redis.call('HGET', lifts_key(pool, instance), key) or 0) end
-- The instance gets a job of the key, which loses what it saved up: everywhere, beside the instance whose keys are furthest
-- back; only here, beside the keys that were served here. If instances differ, the times of these may pass faster, and would
-- put the key behind keys with which it shares other instances. What its other jobs in work count for is not saved up.
local function serve(pool, key, instance)
  local presents, time, served = presents_key(pool), read_time(pool, key), read_served(pool)
  local place = time + read_lift(pool, key, instance)
  local least = tonumber(redis.call('ZRANGE', presents, 0, 0, 'WITHSCORES')[2] or served)
  local here = tonumber(redis.call('ZSCORE', presents, instance) or least)
  redis.call('HSET', schedule_key(pool), 'present', exact(math.max(time, served)))
  redis.call('ZADD', presents, exact(math.max(place, here)), instance)
  local saved = MOST_SAVED + read_ahead(pool, key) - (tonumber(get('ahead')) or 0)
  time, place = math.max(time, least - saved), math.max(place, here - saved)
  if place > time then redis.call('HSET', lifts_key(pool, instance), key, exact(place - time))
  else redis.call('HDEL', lifts_key(pool, instance), key) end
  set_time(pool, key, time + step_of(CLAIM_MS))
end
-- Forgets what an instance served, when it has nothing to do or the pool has no jobs.
local function forget_served(pool, instance)
  redis.call('ZREM', presents_key(pool), instance)
  redis.call('DEL', lifts_key(pool, instance))
end
local function expected_ms(pool, signature)
  local known = redis.call('HMGET', durations_key(pool), signature, version_of(signature), lod_of(signature))
  return tonumber(known[1] or known[2] or known[3]) or UNKNOWN_MS
end
-- How long the execution has taken until now.
local function executing_ms() return math.max(0, now_ms() - (tonumber(get('started_at')) or now_ms())) end
-- Adds the time of the execution that has just ended to `field`: used_ms, or faulty_ms if the instance may be at fault, which
-- costs nothing if the job succeeds in the end.
local function record_time(field)
  redis.call('HINCRBY', record, field, string.format('%d', executing_ms()))
end
-- Charges a claimed job for its slot until it is submitted, because the instance may have nothing else to do meanwhile. Its
-- worker checks it every second unless the store fails; the rest of a longer gap is not its key's fault.
local function charge_claimed()
  local since = tonumber(get('claimed_at'))
  if not since then return end
  advance(get('pool'), get('key'), math.max(0, math.min(MOST_UNCHECKED_MS, now_ms() - since)))
  set('claimed_at', now_ms())
end
-- Charges what the job has used beyond what it was charged before.
local function charge(gpu_ms)
  local used = (tonumber(get('used_ms')) or 0) + gpu_ms
  advance(get('pool'), get('key'), used - (tonumber(get('charged')) or 0))
  set('charged', string.format('%d', used))
end
-- Charges a running job, so that a long one counts before it ends. The next jobs of its key count for at least as long.
local function charge_running()
  local ms, pool, key = executing_ms(), get('pool'), get('key')
  local counted = math.min(ms, MOST_IN_WORK_MS)
  if counted > (usual_ms(pool, key) or counted) then redis.call('HSET', durations_key(pool), 'key ' .. key, counted) end
  if (tonumber(get('used_ms')) or 0) + ms > (tonumber(get('charged')) or 0) then charge(ms) end
end
