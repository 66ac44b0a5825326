--[[
How many bytes the jobs of a key hold: their records, origins, graphs and attempts to deliver webhooks, in Redis or in files.
A caller's own graph counts for each of its jobs.
]]
--- @include "keys"

-- `graph`: the version of the caller's own graph, if there is one.
local function hold_bytes(key, job_id, bytes, graph)
  redis.call('HSET', job_bytes_key(key), job_id, graph and bytes .. ' ' .. graph or bytes)
  redis.call('HINCRBY', job_bytes_key(key), 'total', bytes)
end
local function hold_more(key, job_id, more)
  local bytes, graph = string.match(redis.call('HGET', job_bytes_key(key), job_id) or '', '^(%d+)(.*)$')
  if not bytes then return end
  redis.call('HSET', job_bytes_key(key), job_id, string.format('%d', bytes + more) .. graph)
  redis.call('HINCRBY', job_bytes_key(key), 'total', more)
end
-- Releases the bytes of a job whose record is gone. Deletes its graph if no other job runs it and the registry does not keep
-- it.
local function release_bytes(key, job_id)
  local bytes, graph = string.match(redis.call('HGET', job_bytes_key(key), job_id) or '', '^(%d+) ?(.*)$')
  if not bytes then return end
  redis.call('HDEL', job_bytes_key(key), job_id)
  redis.call('HINCRBY', job_bytes_key(key), 'total', -bytes)
  if graph == '' or redis.call('SREM', graph_jobs_key(graph), job_id) == 0 then return end
  if redis.call('EXISTS', graph_jobs_key(graph)) == 0 and redis.call('PTTL', version_key(graph)) >= 0 then
    redis.call('DEL', version_key(graph))
  end
end
