--[[
What keys have waiting in pools; changes nothing.

Input:
  KEYS[1] any key
  `questions`: pools, each with a key

Output:
  for each question how many jobs wait for their first claim, and the creation and the weight (empty: 1) of the oldest
]]
--- @include "scheduling/waiting"

local function oldest_of(pool, key)
  local oldest
  for _, first in ipairs(firsts_of_levels(waiting_of_key(pool, key))) do
    if not oldest or first.number < oldest.number then oldest = first end
  end
  return oldest and oldest.id or ''
end
local replies = {}
for _, question in ipairs(args.questions) do
  local pool, key = unpack(question)
  local created_at, weight = unpack(redis.call('HMGET', job_key(oldest_of(pool, key)), 'created_at', 'weight'))
  replies[#replies + 1] = {redis.call('ZCARD', waiting_of_key(pool, key)), created_at or '', weight or ''}
end
return replies
