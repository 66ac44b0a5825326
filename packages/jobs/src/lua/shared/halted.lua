--[[
Whether operators have paused a pool.
]]
--- @include "keys"

local function is_halted(pool)
  return redis.call('HEXISTS', halts_key(), 'fleet') == 1 or redis.call('HEXISTS', halts_key(), 'pool ' .. pool) == 1
end
