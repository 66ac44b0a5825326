--[[
The snapshot of a job: its record, its place in the queue and the id of its newest event.
]]
--- @include "shared/kills"
--- @include "queue/work-items"
--- @include "shared/storage"
--- @include "scheduling/waiting"

-- Keys whose jobs are counted. Beyond that, a key is served too rarely to matter for the first jobs of a queue.
local MOST_KEYS = 64
-- Affinity queues of the job's own key whose jobs are counted. Of the others, only the first job counts.
local MOST_QUEUES = 16

-- How many jobs of the key come before this sequence.
local function count_before(pool, key, sequence)
  local queues, bound = affinity_queues_key(pool, key), '(' .. sequence
  local before = 0
  for n, queue in ipairs(redis.call('ZRANGEBYSCORE', queues, '-inf', bound, 'LIMIT', 0, MOST_QUEUES)) do
    before = before + redis.call('ZCOUNT', affinity_queue_key(pool, queue), '-inf', bound)
    if n == MOST_QUEUES then before = before + redis.call('ZCOUNT', queues, '-inf', bound) - n end
  end
  return before
end
-- The first keys to serve in a pool, and how many jobs of each wait. One call may read many jobs.
local next_keys = {}
local function next_keys_of(pool)
  if next_keys[pool] then return next_keys[pool] end
  next_keys[pool] = {}
  for n, key in ipairs(redis.call('ZRANGE', keys_to_serve_key(pool), 0, MOST_KEYS - 1)) do
    next_keys[pool][n] = {key, count_waiting(pool, key)}
  end
  return next_keys[pool]
end
-- How many jobs will be claimed before this one: those before it in its key's own order, and of each other key as many as
-- are served in the meantime. -1 if it is not in a queue.
local function jobs_ahead(pool, key, sequence, prompt)
  if (prompt or '') ~= '' then return rank_in_queue(pool, id) end
  if not sequence then return -1 end
  local own = count_before(pool, key, sequence)
  local ahead, is_own_next = count_first(pool) + own, false
  for _, other in ipairs(next_keys_of(pool)) do
    if other[1] == key then
      is_own_next = true
    else
      local served = is_own_next and own or own + 1
      if served > 0 then ahead = ahead + math.min(served, other[2]) end
    end
  end
  return ahead
end
-- Returns: about how many jobs will be claimed before this one (-1 if it does not wait); 1 if its key has as many jobs in
-- work as it may, 2 if the key's files fill its share of the storage, 3 if own graphs of the key are held back after a
-- kill, 4 if the key has used up its GPU time of today; until when its work item is delayed (ms since 1970, or 0).
local function place_in_queue()
  local phase, pool, key, sequence, prompt, most_taken, workflow =
    unpack(redis.call('HMGET', record, 'phase', 'pool', 'key', 'sequence', 'prompt_id', 'most_taken', 'workflow'))
  if phase ~= WAITING then return {-1, 0, 0} end
  local is_full = most_taken and redis.call('SCARD', taken_of_key(key)) >= tonumber(most_taken)
  local held_back = is_full and 1 or is_over_storage(key) and 2 or has_used_gpu_time(key) and 4
    or workflow == 'graph' and are_graphs_held_back(key) and 3 or 0
  return {jobs_ahead(pool, key, sequence, prompt), held_back, delayed_until(pool, id)}
end
local function snapshot()
  local fields = redis.call('HGETALL', record)
  local newest = redis.call('XREVRANGE', events_key(id), '+', '-', 'COUNT', 1)[1]
  return {fields, place_in_queue(), newest and newest[1] or event_id_without_stream()}
end
