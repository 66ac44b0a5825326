--[[
Reads which jobs of a pool wait, in the order of service, so that hosts can fetch their models: the keys by virtual time,
then those at a limit, and of each key its affinity queues by sequence.

Input:
  KEYS[1] any key
  `pool`

Output:
  JSON: a list of WaitingJobs, see models/demand.ts
]]
--- @include "scheduling/waiting"

local MOST_KEYS = 64
local MOST_QUEUES = 64
local MOST_ROWS = 500

local pool, rows = args.pool, {}

local function read_key(key)
  for _, queue in ipairs(redis.call('ZRANGE', affinity_queues_key(pool, key), 0, MOST_QUEUES - 1)) do
    if #rows >= MOST_ROWS then return end
    local jobs = affinity_queue_key(pool, queue)
    local first = redis.call('ZRANGE', jobs, 0, 0)[1]
    local created_at, signature = unpack(redis.call('HMGET', job_key(first or ''), 'created_at', 'signature'))
    if signature then
      rows[#rows + 1] = {pool = pool, key = key, affinity = string.match(queue, '^%d+|([^|]*)|'), job = first,
        since = tonumber(created_at), waiting = redis.call('ZCARD', jobs), expectedMs = expected_ms(pool, signature)}
    end
  end
end

for _, key in ipairs(redis.call('ZRANGE', keys_to_serve_key(pool), 0, MOST_KEYS - 1)) do read_key(key) end
local at_limit = redis.call('SMEMBERS', keys_at_limit_key(pool))
table.sort(at_limit)
for n = 1, math.min(#at_limit, MOST_KEYS) do read_key(at_limit[n]) end
return cjson.encode(rows)
