--[[
The waiting jobs of a key in a pool. Jobs of one level (priority, then level of detail) with the same affinity key form an
affinity queue, first in, first out. A job's sequence is level · 10^12 + how many jobs of its key came to the pool before
it. An affinity queue is called `<level>|<affinity key>|<key>`.
]]
--- @include "constants"
--- @include "scheduling/virtual-time"
--- @include "shared/storage"
--- @include "shared/gpu-limit"
--- @include "queue/work-items"
--- @include "shared/job"

-- Returns whether none is left.
local function count_down(counters, field)
  return redis.call('HINCRBY', counters, field, -1) <= 0 and redis.call('HDEL', counters, field)
end
local function next_sequence(pool, key, level)
  return string.format('%.0f', level * LEVEL + redis.call('HINCRBY', schedule_key(pool), 'arrived ' .. key, 1) - 1)
end
local function queue_of(key, sequence, affinity)
  return string.format('%d|%s|%s', math.floor(sequence / LEVEL), affinity or '', key)
end
local function is_waiting()
  local queue = queue_of(get('key'), get('sequence'), get('affinity'))
  return redis.call('ZSCORE', affinity_queue_key(get('pool'), queue), id)
end
local function has_most_in_work(key, most_taken)
  most_taken = tonumber(most_taken or nil)
  return most_taken and redis.call('SCARD', taken_of_key(key)) >= most_taken
end
-- Stops serving a key until one of its jobs ends, or until its files no longer fill its share of the storage and it has GPU
-- time left.
local function stop_serving(pool, key)
  redis.call('ZREM', keys_to_serve_key(pool), key)
  if redis.call('EXISTS', affinity_queues_key(pool, key)) == 1 then redis.call('SADD', keys_at_limit_key(pool), key) end
end
-- Adds a job to its affinity queue.
local function join_waiting(pool, job_id, key, sequence, signature, affinity, most_taken)
  local queue = queue_of(key, sequence, affinity)
  redis.call('ZADD', affinity_queue_key(pool, queue), sequence, job_id)
  redis.call('ZADD', affinity_queues_key(pool, key), 'LT', sequence, queue)
  redis.call('HINCRBY', affinities_key(pool), affinity, 1)
  redis.call('HINCRBY', backlog_key(pool), signature, 1)
  redis.call('HINCRBY', callers_key(), key, 1)
  if has_most_in_work(key, most_taken) then
    stop_serving(pool, key)
  elseif redis.call('SISMEMBER', keys_at_limit_key(pool), key) == 0 then
    begin_serving(pool, key)
  end
end
local function leave_queue(pool, job_id, key, sequence, signature, affinity)
  local queue = queue_of(key, sequence, affinity)
  local queues, jobs = affinity_queues_key(pool, key), affinity_queue_key(pool, queue)
  if redis.call('ZREM', jobs, job_id) == 0 then return end
  if count_down(affinities_key(pool), affinity) then redis.call('HDEL', affinity_models_key(pool), affinity) end
  count_down(backlog_key(pool), signature)
  redis.call('HINCRBY', callers_key(), key, -1)
  redis.call('HINCRBY', schedule_key(pool), 'removed ' .. key, 1)
  local head = redis.call('ZRANGE', jobs, 0, 0, 'WITHSCORES')[2]
  if head then return redis.call('ZADD', queues, head, queue) end
  redis.call('ZREM', queues, queue)
  redis.call('HDEL', schedule_key(pool), 'passed ' .. queue)
  if redis.call('EXISTS', queues) == 0 then
    redis.call('ZREM', keys_to_serve_key(pool), key)
    redis.call('SREM', keys_at_limit_key(pool), key)
  end
end
local function leave_waiting()
  local pool, key, sequence, signature, affinity =
    unpack(redis.call('HMGET', record, 'pool', 'key', 'sequence', 'signature', 'affinity'))
  leave_queue(pool, id, key, sequence, signature, affinity)
end
-- The job is rendered itself: it no longer waits, without a place, for the outputs of an equal one.
local function reuse_nothing()
  if redis.call('HDEL', record, 'reused_from') == 1 then redis.call('HINCRBY', callers_key(), get('key'), -1) end
end
-- Whether the key has jobs in as many affinity queues as it may, and none in the queue of this job.
local function has_no_place()
  local queues, queue = affinity_queues_key(get('pool'), get('key')), queue_of(get('key'), get('sequence'), get('affinity'))
  return redis.call('ZCARD', queues) >= MOST_AFFINITY_QUEUES and not redis.call('ZSCORE', queues, queue)
end
-- Puts a job that was given back in its old place.
local function return_to_waiting()
  local pool, key = get('pool'), get('key')
  redis.call('HINCRBY', schedule_key(pool), 'removed ' .. key, -1)
  join_waiting(pool, id, key, get('sequence'), get('signature'), get('affinity'), get('most_taken'))
end
-- Whether the key has as many jobs in work as it may, its files fill its share of the storage, or it has no GPU time left.
local function is_at_limit(key, most_taken)
  return has_most_in_work(key, most_taken) or is_over_storage(key) or has_used_gpu_time(key)
end
local function count_waiting(pool, key)
  local counts = redis.call('HMGET', schedule_key(pool), 'arrived ' .. key, 'removed ' .. key)
  return tonumber(counts[1] or 0) - tonumber(counts[2] or 0)
end
-- Marks queues that were near their turn when a job that needs less loading was preferred.
local function record_passed_over(pool, queues)
  for _, queue in ipairs(queues) do
    if redis.call('EXISTS', affinity_queue_key(pool, queue)) == 1 then
      redis.call('HSETNX', schedule_key(pool), 'passed ' .. queue, now_ms())
    end
  end
end
-- The job no longer counts as in work, so its key may be served again.
local function leave_work()
  local key = get('key')
  if redis.call('SREM', taken_of_key(key), id) == 0 then return end
  count_no_more()
  for _, pool in ipairs(redis.call('SMEMBERS', pools_key())) do
    if redis.call('SREM', keys_at_limit_key(pool), key) == 1 then
      begin_serving(pool, key)
      wake_worker(pool)
    end
  end
end
