--[[
Whose turn it is.
]]
--- @include "scheduling/waiting"

-- Keys looked at that have the same virtual time.
local MOST_TIED = 16

-- Of keys that are level, the one with the fewest jobs in workers' hands.
local function key_in_turn(pool)
  local first = redis.call('ZRANGE', turns_key(pool), 0, 1, 'WITHSCORES')
  if not first[1] then return nil end
  if first[2] ~= first[4] then return first[1] end
  local level = redis.call('ZRANGEBYSCORE', turns_key(pool), first[2], first[2], 'LIMIT', 0, MOST_TIED)
  local chosen, fewest = first[1], math.huge
  for _, key in ipairs(level) do
    local taken = redis.call('SCARD', taken_of_key(key))
    if taken < fewest then chosen, fewest = key, taken end
  end
  return chosen
end
-- The first of the order that the key wants; or its oldest, if that was passed by so many that came after it. The
-- oldest is the one that most have passed: so nobody is passed by more.
local function job_in_turn(pool, key, most_overtakes)
  local firsts = firsts_of_levels(pool, key)
  local first, oldest = firsts[1], firsts[1]
  if not first then return nil end
  for _, other in ipairs(firsts) do
    if other.number < oldest.number then oldest = other end
  end
  if oldest == first then return first.id end
  local removed = tonumber(redis.call('HGET', removals_key(pool), key) or 0)
  -- What the count was when all that are older had gone; one that was given back began anew.
  local before = tonumber(redis.call('HGET', job_key(oldest.id), 'removals_before') or oldest.number)
  return removed - before >= most_overtakes and oldest.id or first.id
end
