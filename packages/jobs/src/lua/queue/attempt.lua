--[[
An attempt that came to nothing; BullMQ counts the last one when the work item ends.
]]
--- @include "keys"

local function count_attempt(pool, job_id) redis.call('HINCRBY', work_item_key(pool, job_id), 'atm', 1) end
