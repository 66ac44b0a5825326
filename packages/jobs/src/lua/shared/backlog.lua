--[[
What the pool has to do yet: counted by what it takes, and in its lane by level of detail.
]]
--- @include "shared/job"
--- @include "shared/signature"
--- @include "scheduling/waiting"

local function join_lane(job_id, pool, signature, created_at)
  redis.call('ZADD', lane_key(pool, lod_of(signature)), created_at, job_id)
  redis.call('HINCRBY', backlog_key(pool), signature, 1)
end
local function join_backlog()
  join_lane(id, get('pool'), get('signature'), get('created_at'))
  redis.call('HINCRBY', waiting_key(), get('key'), 1)
end
local function leave_backlog()
  local pool, signature = unpack(redis.call('HMGET', record, 'pool', 'signature'))
  if redis.call('ZREM', lane_key(pool, lod_of(signature)), id) == 0 then return end
  count_down(backlog_key(pool), signature)
  count_down(waiting_key(), get('key'))
end
