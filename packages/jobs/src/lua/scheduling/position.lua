--[[
About how many jobs are claimed before this one.
]]
--- @include "shared/job"
--- @include "queue/stalled"

-- Keys that are counted; more of them take their turns too rarely to matter for the first of a queue.
local MOST_KEYS = 64

-- Those before it in its key's own order, and of each other key as many as will have their turn in the meantime.
local function jobs_ahead()
  local phase, pool, key, turn, prompt =
    unpack(redis.call('HMGET', record, 'phase', 'pool', 'key', 'turn', 'prompt_id'))
  if phase ~= 'waiting' then return -1 end
  if (prompt or '') ~= '' then return redis.call('LPOS', first_key(pool), id) or 0 end
  if not turn then return -1 end
  local own = redis.call('ZCOUNT', waiting_of_key(pool, key), '-inf', '(' .. turn)
  local handed_out_again = redis.call('LLEN', first_key(pool)) + count_stalled(pool)
  local ahead, mine_is_next = handed_out_again + own, false
  for _, other in ipairs(redis.call('ZRANGE', turns_key(pool), 0, MOST_KEYS - 1)) do
    if other == key then
      mine_is_next = true
    else
      local turns = mine_is_next and own or own + 1
      if turns > 0 then ahead = ahead + math.min(turns, redis.call('ZCARD', waiting_of_key(pool, other))) end
    end
  end
  return ahead
end
