--[[
What the pool has to do yet: counted by what it takes, and in its lane by level of detail.
]]
--- @include "shared/job"

local function lod_of(signature) return string.match(signature, '^[^|]+') end
local function count_down(counters, field)
  if redis.call('HINCRBY', counters, field, -1) <= 0 then redis.call('HDEL', counters, field) end
end
-- Counted among what the pool has to do yet, by what it takes.
local function join_lane(job_id, pool, signature, created_at)
  redis.call('ZADD', lane_key(pool, lod_of(signature)), created_at, job_id)
  redis.call('HINCRBY', backlog_key(pool), signature, 1)
end
local function leave_lane(job_id, pool, signature)
  if redis.call('ZREM', lane_key(pool, lod_of(signature)), job_id) == 0 then return false end
  count_down(backlog_key(pool), signature)
  return true
end
local function join_backlog()
  join_lane(id, get('pool'), get('signature'), get('created_at'))
  redis.call('HINCRBY', waiting_key(), get('key'), 1)
end
local function leave_backlog()
  local pool, signature = unpack(redis.call('HMGET', record, 'pool', 'signature'))
  local parked = parked_lane_key(pool, lod_of(signature))
  if leave_lane(id, pool, signature) or redis.call('ZREM', parked, id) == 1 then
    count_down(waiting_key(), get('key'))
  end
end
-- Held back for its key's sake, a job is no reason to have more GPUs, and its waiting nobody's fault.
local function leave_lane_parked()
  local pool, signature = get('pool'), get('signature')
  if leave_lane(id, pool, signature) then
    redis.call('ZADD', parked_lane_key(pool, lod_of(signature)), get('created_at'), id)
  end
end
local function rejoin_lane(job_id, pool, signature, created_at)
  if redis.call('ZREM', parked_lane_key(pool, lod_of(signature)), job_id) == 1 then
    join_lane(job_id, pool, signature, created_at)
  end
end
