--[[
How many are served before this job.
]]
--- @include "shared/job"

local function jobs_ahead()
  if get('phase') ~= 'waiting' then return -1 end
  local pool = get('pool')
  local given_back = redis.call('LLEN', wait_list_key(pool))
  local place = redis.call('ZRANK', prioritized_key(pool), id)
  if place then return place + given_back end
  if redis.call('ZSCORE', delayed_key(pool), id) then
    -- Given back for a moment: it keeps its rank. A score is rank · 2^32 + counter.
    local mine = string.format('(%.0f', tonumber(get('rank')) * 4294967296)
    return redis.call('ZCOUNT', prioritized_key(pool), '-inf', mine) + given_back
  end
  local index = given_back > 0 and redis.call('LPOS', wait_list_key(pool), id)
  return index and given_back - 1 - index or -1
end
