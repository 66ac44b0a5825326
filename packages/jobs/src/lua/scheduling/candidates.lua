--[[
What an instance may be given: of each key, in the order of their turns, the first job of each line that it can run.
]]
--- @include "constants"
--- @include "scheduling/waiting"
--- @include "scheduling/refused"

-- Looked at in one go. Keys whose turns come later are looked at only if the instance can run nothing of these.
local MOST_KEYS = 32
local MOST_LINES = 256
local MOST_OF_KEY = 16
-- Of keys whose first lines are none for the instance, so many times more lines are looked at in one go.
local pages_left = 16
-- Needs that a worker is asked about in one go.
local MOST_UNKNOWN = 16

-- From so many on: first those that had nothing in work and owed nothing, then the least virtual time. Those that are
-- refused count as looked at.
local function keys_in_turn(pool, from)
  local keys, is_newcomer = redis.call('LRANGE', newcomers_key(pool), from, from + MOST_KEYS - 1), {}
  for _, key in ipairs(keys) do is_newcomer[key] = true end
  local start = math.max(0, from - redis.call('LLEN', newcomers_key(pool)))
  local others = MOST_KEYS - #keys > 0 and redis.call('ZRANGE', turns_key(pool), start, start + MOST_KEYS - #keys - 1) or {}
  for _, key in ipairs(others) do
    if not is_newcomer[key] then keys[#keys + 1] = key end
  end
  local given = {}
  for _, key in ipairs(keys) do
    if not refused_keys[key] then given[#given + 1] = key end
  end
  return given, is_newcomer
end
local function older_of(one, other) return one and one.number < other.number and one or other end
local function oldest_of(firsts)
  local oldest
  for _, first in ipairs(firsts) do oldest = older_of(oldest, first) end
  return oldest
end
-- What the key's count of removals was when all that are older than the job had gone; one that was given back began anew.
local function removals_before(job)
  return tonumber(redis.call('HGET', job_key(job.id), 'removals_before') or job.number)
end
-- The key's oldest job, once so many later ones have passed it that it comes first however long it has to be loaded for.
-- It is looked for only when that may be: to find it takes a search for each level.
local function overtaken(pool, key, most_overtakes)
  local removed = tonumber(redis.call('HGET', removals_key(pool), key) or 0)
  if removed - tonumber(redis.call('HGET', oldest_key(pool), key) or 0) < most_overtakes then return nil end
  local oldest = oldest_of(firsts_of_levels(waiting_of_key(pool, key)))
  redis.call('HSET', oldest_key(pool), key, oldest.number)
  return removed - removals_before(oldest) >= most_overtakes and oldest or nil
end
-- ms that the instance would load for such jobs; -1 when it cannot run them or refuses them, nil when that is not known.
local function load_of(key, need, fit) return is_refused(key, need) and -1 or tonumber(fit or nil) end
local function fit(instance, key, need)
  if instance == '' then return 0 end
  return load_of(key, need, redis.call('HGET', fits_key(instance), need))
end
-- Where its record does not say it.
local function need_by_line(pool, key, job_id)
  for _, need in ipairs(redis.call('ZRANGE', lines_key(pool, key), 0, MOST_LINES - 1)) do
    if redis.call('ZSCORE', line_key(pool, line_of(key, need)), job_id) then return need end
  end
end
local function candidate_of(pool, key, first, instance)
  local found = redis.pcall('HGET', job_key(first.id), 'need')
  local need = type(found) == 'string' and found or need_by_line(pool, key, first.id) or ''
  return {id = first.id, key = key, need = need, load = fit(instance, key, need), number = first.number}
end
-- Of its lines from so many on only those whose first job has the priority of the first one that the instance can run.
local function candidates_from(pool, key, instance, from)
  local lines, candidates, unknown, needs, priority = redis.call('ZRANGE', lines_key(pool, key), from,
    from + MOST_LINES - 1, 'WITHSCORES'), {}, {}, {}, nil
  for n = 1, #lines, 2 do needs[#needs + 1] = lines[n] end
  local loads = #needs > 0 and redis.call('HMGET', fits_key(instance), unpack(needs)) or {}
  for n, need in ipairs(needs) do
    local turn, load = tonumber(lines[2 * n]), load_of(key, need, loads[n])
    local its_priority = math.floor(turn / LEVEL / LEVELS_OF_PRIORITY)
    if #candidates == MOST_OF_KEY or priority and its_priority > priority then break end
    if not load then
      unknown[#unknown + 1] = {key = key, need = need}
    elseif load >= 0 then
      priority = its_priority
      candidates[#candidates + 1] = {key = key, need = need, load = load, number = turn % LEVEL}
    end
  end
  return candidates, unknown, #needs == MOST_LINES
end
local function candidates_of_lines(pool, key, instance)
  local from = 0
  local candidates, unknown, is_more = candidates_from(pool, key, instance, from)
  while is_more and not candidates[1] and not unknown[1] and pages_left > 0 do
    pages_left, from = pages_left - 1, from + MOST_LINES
    candidates, unknown, is_more = candidates_from(pool, key, instance, from)
  end
  return candidates, unknown
end
-- As `overtaken`, when the instance cannot run the oldest of all: the oldest that it can run. And the lines of which it is
-- not known whether it can. Each line is searched, so it is noted from which count of removals on that may be of use.
local function overtaken_of_lines(pool, key, instance, most_overtakes)
  local removed, field = tonumber(redis.call('HGET', removals_key(pool), key) or 0), key .. ' ' .. instance
  if removed < tonumber(redis.call('HGET', oldest_key(pool), field) or 0) then return nil, {} end
  local needs, unknown, oldest = redis.call('ZRANGE', lines_key(pool, key), 0, MOST_LINES - 1), {}, nil
  local loads = #needs > 0 and redis.call('HMGET', fits_key(instance), unpack(needs)) or {}
  for n, need in ipairs(needs) do
    local load = load_of(key, need, loads[n])
    if not load then
      unknown[#unknown + 1] = {key = key, need = need}
    elseif load >= 0 then
      local of_line = oldest_of(firsts_of_levels(line_key(pool, line_of(key, need))))
      of_line.key, of_line.need, of_line.load = key, need, load
      oldest = older_of(oldest, of_line)
    end
  end
  if unknown[1] or not oldest then return nil, unknown end
  local overtakes = removed - removals_before(oldest) + count_older(pool, key, oldest.number)
  if overtakes >= most_overtakes then return oldest, unknown end
  redis.call('HSET', oldest_key(pool), field, removed + most_overtakes - overtakes)
  return nil, unknown
end
-- In the order that the key wants, and the lines of which it is not known whether the instance can run them.
local function candidates_of(pool, key, instance, most_overtakes)
  local first = first_of(waiting_of_key(pool, key))
  if not first then return {}, {} end
  local foremost, oldest = candidate_of(pool, key, first, instance), overtaken(pool, key, most_overtakes)
  if oldest and (oldest.id ~= first.id or foremost.load ~= 0) then
    local candidate, unknown = candidate_of(pool, key, oldest, instance), {}
    if not candidate.load then return {}, {candidate} end
    if candidate.load < 0 then candidate, unknown = overtaken_of_lines(pool, key, instance, most_overtakes) end
    if unknown[1] then return {}, unknown end
    if candidate then
      candidate.is_overtaken = true
      return {candidate}, {}
    end
  elseif foremost.load == 0 then
    return {foremost}, {}
  end
  return candidates_of_lines(pool, key, instance)
end
local function id_of(pool, candidate)
  return candidate.id or redis.call('ZRANGE', line_key(pool, line_of(candidate.key, candidate.need)), 0, 0)[1]
end
