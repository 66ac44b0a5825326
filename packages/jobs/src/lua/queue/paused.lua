--[[
Whether a pool is paused: BullMQ's mark of its queue is the only one.
]]
--- @include "keys"

local function is_queue_paused(pool) return redis.call('HEXISTS', queue_meta_key(pool), 'paused') == 1 end
