--[[
Reads what keys have waiting in pools.

Input:
  KEYS[1] any key
  `questions`: pairs of a pool and a key

Output:
  for each question: how many jobs wait for their first claim; the creation time and the weight (empty: 1) of the oldest
]]
--- @include "scheduling/waiting"

-- The head of each level is its oldest job.
local function oldest_of(pool, key)
  local queues, level, oldest, number = affinity_queues_key(pool, key), 0, nil, nil
  repeat
    local from = string.format('%.0f', level * LEVEL)
    local head = redis.call('ZRANGEBYSCORE', queues, from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if head[1] and (not number or head[2] % LEVEL < number) then oldest, number = head[1], head[2] % LEVEL end
    level = head[1] and math.floor(head[2] / LEVEL) + 1
  until not level
  return oldest and redis.call('ZRANGE', affinity_queue_key(pool, oldest), 0, 0)[1] or ''
end
local replies = {}
for _, question in ipairs(args.questions) do
  local pool, key = unpack(question)
  local created_at, weight = unpack(redis.call('HMGET', job_key(oldest_of(pool, key)), 'created_at', 'weight'))
  replies[#replies + 1] = {count_waiting(pool, key), created_at or '', weight or ''}
end
return replies
