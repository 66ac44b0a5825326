--[[
Which job an instance gets: that of the key whose turn it is, or one whose turn is near and for which the instance has to
load less. What was passed by for that for longer than the patience comes all the same.
]]
--- @include "scheduling/candidates"
--- @include "scheduling/spreading"

local MOST_CANDIDATES = 64

-- As many as are near: of keys that are ahead of the first one by no more than the patience, up to one for which nothing
-- is to be loaded. And the lines of which it is not known whether the instance can run them, and whether keys are left.
local function near_candidates(pool, ask)
  local keys, is_newcomer = keys_in_turn(pool, ask.from)
  local found, unknown, latest = {}, {}, nil
  for _, key in ipairs(keys) do
    local time = tonumber(redis.call('ZSCORE', turns_key(pool), key))
    if #unknown >= MOST_UNKNOWN or latest and time > latest and not is_newcomer[key] then return found, unknown end
    local candidates, not_known = candidates_of(pool, key, ask.instance, ask.most_overtakes)
    for _, line in ipairs(not_known) do unknown[#unknown + 1] = line end
    for _, candidate in ipairs(candidates) do
      latest = latest or time + ask.patience
      candidate.is_newcomer = is_newcomer[key]
      found[#found + 1] = candidate
      if candidate.load == 0 or ask.patience == 0 or #found == MOST_CANDIDATES then return found, unknown end
    end
  end
  local is_more = redis.call('LLEN', newcomers_key(pool)) + redis.call('ZCARD', turns_key(pool)) > ask.from + MOST_KEYS
  return found, unknown, is_more
end
-- Half as many as may have passed the key's next job have: it goes on with what is as late, the least load first.
local function half_overtaken(pool, found, most_overtakes)
  local key = found[1].key
  local removed, chosen = tonumber(redis.call('HGET', removals_key(pool), key) or 0), nil
  for _, candidate in ipairs(found) do
    local is_late = candidate.key == key and removed - candidate.number >= most_overtakes / 2
    if not is_late and candidate == found[1] then return nil end
    if is_late and (not chosen or candidate.load < chosen.load) then chosen = candidate end
  end
  return chosen
end
-- A time to come is one from before the clock was set back: nobody is to wait until it comes again.
local function is_over(at, ask) return math.abs(ask.clock - at) >= ask.patience end
local function is_past(pool, field, ask)
  local at = tonumber(redis.call('HGET', loaded_key(pool), field) or nil)
  return not at or is_over(at, ask)
end
-- Waited out the patience. An instance that would not load otherwise is made to once in that time, or it would do nothing
-- else while all is late; and once besides for a key that has nothing in work.
local function passed_by_for_long(pool, found, best, ask)
  local may_load = best and best.load > 0 or is_past(pool, ask.instance, ask)
  for _, candidate in ipairs(found) do
    if candidate == best then return nil end
    local since = tonumber(redis.call('ZSCORE', passed_by_key(pool), line_of(candidate.key, candidate.need)) or nil)
    if since and is_over(since, ask) then
      if may_load then return candidate end
      if candidate.is_newcomer and is_past(pool, ask.instance .. '|newcomer', ask) then
        redis.call('HSET', loaded_key(pool), ask.instance .. '|newcomer', ask.clock)
        return candidate
      end
    end
  end
end
local function note_passed_by(pool, found, best, ask)
  for n, candidate in ipairs(found) do
    if candidate == best or n > MOST_OF_KEY then return end
    redis.call('ZADD', passed_by_key(pool), 'NX', ask.clock, line_of(candidate.key, candidate.need))
  end
end
local function best_of(pool, found, ask)
  local first, last = found[1], found[#found]
  if first.load == 0 or first.is_overtaken or ask.patience == 0 then return first end
  local late = half_overtaken(pool, found, ask.most_overtakes)
  if late then return late end
  for _, candidate in ipairs(found) do candidate.id = id_of(pool, candidate) end
  local best = last.load == 0 and last or worth_loading(pool, ask.instance, found)
  local overdue = passed_by_for_long(pool, found, best, ask)
  if overdue then return overdue end
  note_passed_by(pool, found, best, ask)
  return best
end
-- A candidate; or nil and why: 'none' waits, 'left' to others, 'unknown' with the lines, 'again' with where to go on.
local function choose(pool, ask)
  local found, unknown, is_more = near_candidates(pool, ask)
  if unknown[1] then return nil, 'unknown', unknown end
  if found[1] then
    local best = best_of(pool, found, ask)
    return best, 'left'
  end
  if is_more then return nil, 'again', ask.from + MOST_KEYS end
  return nil, redis.call('EXISTS', turns_key(pool)) == 1 and 'left' or 'none'
end
-- It was handed out.
local function note_choice(pool, ask, candidate)
  redis.call('ZREM', passed_by_key(pool), line_of(candidate.key, candidate.need))
  if candidate.load == 0 then return end
  redis.call('HSET', fits_key(ask.instance), candidate.need, 0)
  redis.call('HSET', loaded_key(pool), ask.instance, ask.clock)
end
