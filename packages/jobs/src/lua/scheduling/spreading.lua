--[[
On how many instances models are worth loading: in proportion to the jobs that wait for them.
]]
--- @include "scheduling/virtual-time"

local MOST_INSTANCES = 256
local MOST_NEEDS = 1000

-- Jobs that wait, by the models that they need, and all of them; of very many needs none are counted.
local function jobs_by_models(pool)
  local of_needs, jobs, all, needs = {}, {}, 0, {}
  if redis.call('HLEN', needs_key(pool)) > MOST_NEEDS then return of_needs, jobs, 1 end
  local counts = redis.call('HGETALL', needs_key(pool))
  for n = 1, #counts, 2 do needs[#needs + 1] = counts[n] end
  local models = #needs > 0 and redis.call('HMGET', need_models_key(pool), unpack(needs)) or {}
  for n, need in ipairs(needs) do
    local count = counts[2 * n]
    of_needs[need] = models[n] and string.match(models[n], '"models":(.*)}$')
    local name = of_needs[need] or need
    jobs[name] = (jobs[name] or 0) + count
    all = all + count
  end
  return of_needs, jobs, math.max(1, all)
end
-- Those whose worker says what they hold.
local function live_instances(pool)
  local live = {}
  for _, instance in ipairs(redis.call('HKEYS', able_key(pool))) do
    -- Those that were there within a day may be many more.
    if #live == MOST_INSTANCES then break end
    if redis.call('EXISTS', fits_key(instance)) == 1 then live[#live + 1] = instance end
  end
  return live
end
local function count_holders(instances, instance, need)
  local holders = 0
  for _, other in ipairs(instances) do
    if other ~= instance and redis.call('HGET', fits_key(other), need) == '0' then holders = holders + 1 end
  end
  return holders
end
-- The first candidate whose models should be on more instances than they are, or for which the instance has asked; else
-- the one with most work for each of the instances that hold its models. None, when those will be through with it sooner than it is loaded here.
local function worth_loading(pool, instance, candidates)
  local instances, of_needs, jobs, all = live_instances(pool), jobs_by_models(pool)
  local busiest, most_work
  for _, candidate in ipairs(candidates) do
    local holders = count_holders(instances, instance, candidate.need)
    local waiting = jobs[of_needs[candidate.need] or candidate.need] or 1
    local fields = redis.pcall('HMGET', job_key(candidate.id), 'signature', 'wanted_by')
    local signature, wanted_by = fields[1], fields[2]
    -- Whoever takes one whose record is gone finds that out.
    if holders == 0 or not signature or wanted_by == instance then return candidate end
    -- They are at work on something, too.
    local work = (waiting + holders) * expected_ms(pool, signature) / holders
    if work > candidate.load then
      if holders < math.floor(#instances * waiting / all + 0.5) then return candidate end
      if not most_work or work > most_work then busiest, most_work = candidate, work end
    end
  end
  return busiest
end
