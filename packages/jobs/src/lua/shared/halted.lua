--[[
Whether operators have paused a pool, or the fleet.
]]
--- @include "queue/put"

local function is_halted(pool) return redis.call('HEXISTS', halts_key(), 'fleet') == 1 or is_queue_paused(pool) end
