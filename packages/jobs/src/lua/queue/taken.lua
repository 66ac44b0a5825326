--[[
Work items that workers have.
]]
--- @include "keys"

local function taken_work_items(pool, most) return redis.call('LRANGE', active_key(pool), 0, most - 1) end
