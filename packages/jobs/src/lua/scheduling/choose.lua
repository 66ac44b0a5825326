--[[
Whose turn it is.
]]
--- @include "scheduling/waiting"

local function key_in_turn(pool)
  return redis.call('LINDEX', newcomers_key(pool), 0) or redis.call('ZRANGE', turns_key(pool), 0, 0)[1]
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
