--[[
Reads how many jobs wait for the models of given affinity keys, and what the instances of the pool would load for them.

Input:
  KEYS[1] any key
  `pool`, `affinities`

Output:
  {for each affinity key, how many jobs of all keys wait; {instance, for each affinity key, how many ms it would load}, …},
  see DemandReply in scheduling/snapshot.ts
]]
--- @include "keys"

-- The list has all instances of the last day, which may be many more than exist now.
local MOST_INSTANCES = 1000
local MOST_AFFINITIES = 1000

local pool, affinities = args.pool, args.affinities

-- Maps affinity keys to their models, and models to waiting jobs. If there are too many affinity keys, each of those that
-- were asked for counts for itself.
local function jobs_by_models()
  local models_of, jobs, waiting = {}, {}, {}
  if redis.call('HLEN', affinities_key(pool)) > MOST_AFFINITIES then
    for n, count in ipairs(redis.call('HMGET', affinities_key(pool), unpack(affinities))) do
      jobs[affinities[n]] = tonumber(count or nil)
    end
    return models_of, jobs
  end
  local counts = redis.call('HGETALL', affinities_key(pool))
  for n = 1, #counts, 2 do waiting[#waiting + 1] = counts[n] end
  local models = #waiting > 0 and redis.call('HMGET', affinity_models_key(pool), unpack(waiting)) or {}
  for n, affinity in ipairs(waiting) do
    models_of[affinity] = models[n] and string.match(models[n], '"models":(.*)}$') or affinity
    jobs[models_of[affinity]] = (jobs[models_of[affinity]] or 0) + counts[2 * n]
  end
  return models_of, jobs
end

local models_of, jobs = jobs_by_models()
local reply = {{}}
for n, affinity in ipairs(affinities) do reply[1][n] = jobs[models_of[affinity] or affinity] or 1 end
for n, instance in ipairs(redis.call('HKEYS', catalogue_digests_key(pool))) do
  if n > MOST_INSTANCES then break end
  reply[n + 1] = {instance, redis.call('HMGET', fits_key(instance), unpack(affinities))}
end
return reply
