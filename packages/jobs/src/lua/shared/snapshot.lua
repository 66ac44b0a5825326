--[[
The whole record, its place in the queue and the id of its newest event; for the ends of scripts.
]]
--- @include "shared/job"
--- @include "scheduling/position"

local function snapshot()
  local fields = redis.call('HGETALL', record)
  local last = '0-0'
  local newest = redis.call('XREVRANGE', events_key(id), '+', '-', 'COUNT', 1)
  if newest[1] then last = newest[1][1] end
  return {fields, place_in_queue(), last}
end
