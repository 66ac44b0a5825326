--[[
The waiting jobs of a key in a pool, in the order that the key wants: by level (priority, then level of detail), then by
age. A job's turn is a number made of both: level · 10^12 + how many jobs of its key came before it. Those with the same
need, which the same instances can run with the same models, are in a line of their own besides.
]]
--- @include "scheduling/virtual-time"

local LEVEL = 1e12

local function count_down(counters, field)
  if redis.call('HINCRBY', counters, field, -1) <= 0 then redis.call('HDEL', counters, field) end
end
-- Of a new job. All that came before it wait, or were taken from among those that wait.
local function new_turn(pool, key, level)
  local older = redis.call('ZCARD', waiting_of_key(pool, key))
  local removed = tonumber(redis.call('HGET', removals_key(pool), key) or 0)
  return string.format('%.0f', level * LEVEL + removed + older)
end
local function line_of(key, need) return (need or '') .. '|' .. key end
-- Answers how many jobs of the pool wait with that need.
local function join_line(job_id, pool, key, turn, need)
  redis.call('ZADD', line_key(pool, line_of(key, need)), turn, job_id)
  redis.call('ZADD', lines_key(pool, key), 'LT', turn, need)
  return redis.call('HINCRBY', needs_key(pool), need, 1)
end
local function quit_line(job_id, pool, key, need)
  local line = line_of(key, need)
  if redis.call('ZREM', line_key(pool, line), job_id) == 0 then return end
  count_down(needs_key(pool), need)
  local first = redis.call('ZRANGE', line_key(pool, line), 0, 0, 'WITHSCORES')[2]
  if first then
    redis.call('ZADD', lines_key(pool, key), first, need)
  else
    redis.call('ZREM', lines_key(pool, key), need)
    redis.call('ZREM', passed_by_key(pool), line)
  end
end
local function enlist(job_id, pool, key, turn, signature, need)
  redis.call('ZADD', waiting_of_key(pool, key), turn, job_id)
  redis.call('HINCRBY', waiting_like_key(pool, key), signature, 1)
  redis.call('SREM', held_back_key(pool), key)
  begin_turns(pool, key)
  return join_line(job_id, pool, key, turn, need)
end
-- One that waits again, and may be older than all that wait.
local function rejoin(job_id, pool, key, turn, signature, need)
  redis.call('HDEL', oldest_key(pool), key)
  enlist(job_id, pool, key, turn, signature, need)
end
local function delist(job_id, pool, key, signature, need)
  local waiting = waiting_of_key(pool, key)
  quit_line(job_id, pool, key, need)
  if redis.call('ZREM', waiting, job_id) == 0 then return end
  count_down(waiting_like_key(pool, key), signature)
  redis.call('HINCRBY', removals_key(pool), key, 1)
  if redis.call('EXISTS', waiting) == 0 then
    end_turns(pool, key)
    redis.call('SREM', held_back_key(pool), key)
    redis.call('DEL', waiting_like_key(pool, key))
  end
end
local function leave_waiting() delist(id, unpack(redis.call('HMGET', record, 'pool', 'key', 'signature', 'need'))) end
local function waiting_job(job_id, turn)
  return job_id and {id = job_id, number = turn % LEVEL, level = math.floor(turn / LEVEL)}
end
local function first_of(jobs) return waiting_job(unpack(redis.call('ZRANGE', jobs, 0, 0, 'WITHSCORES'))) end
local function first_from(jobs, turn)
  return waiting_job(unpack(redis.call('ZRANGEBYSCORE', jobs, string.format('%.0f', turn), '+inf', 'WITHSCORES',
    'LIMIT', 0, 1)))
end
-- Of a key or of a line, the first of each level: id and number.
local function firsts_of_levels(jobs)
  local firsts, first = {}, first_of(jobs)
  while first do
    firsts[#firsts + 1] = first
    first = first_from(jobs, (first.level + 1) * LEVEL)
  end
  return firsts
end
-- How many of the key's waiting jobs came before that number.
local function count_older(pool, key, number)
  local jobs, older = waiting_of_key(pool, key), 0
  for _, first in ipairs(firsts_of_levels(jobs)) do
    local from = string.format('%.0f', first.level * LEVEL)
    local below = string.format('(%.0f', first.level * LEVEL + number)
    older = older + redis.call('ZCOUNT', jobs, from, below)
  end
  return older
end
-- It was given back: nobody passed it, and it passed nobody.
local function return_to_waiting()
  local pool, key, turn = get('pool'), get('key'), get('turn')
  local older = count_older(pool, key, turn % LEVEL)
  set('removals_before', redis.call('HINCRBY', removals_key(pool), key, -1) + older)
  rejoin(id, pool, key, turn, get('signature'), get('need'))
end
