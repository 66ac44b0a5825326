--[[
Deliveries of webhooks, as BullMQ keeps them.
]]
--- @include "keys"

local function is_delivery_queued(webhook) return redis.call('EXISTS', webhook_part_key(webhook)) == 1 end
-- Removes a delivery whose next attempt is planned for later. Any other one ends when it finds no record.
local function drop_later_delivery(webhook)
  if redis.call('ZREM', webhook_part_key('delayed'), webhook) == 1 then redis.call('DEL', webhook_part_key(webhook)) end
end
