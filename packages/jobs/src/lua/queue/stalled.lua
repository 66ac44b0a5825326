--[[
Work items of which BullMQ noticed that their holder died.
]]
--- @include "keys"

local function count_stalled(pool) return redis.call('LLEN', wait_list_key(pool)) end
