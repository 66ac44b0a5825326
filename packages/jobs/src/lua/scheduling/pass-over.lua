--[[
An instance takes none of the jobs that wait: those that it passed over grow overdue, and another worker looks at them.

Input:
  KEYS[1] any key
  `pool`
  `token` under which it read them
  `passed_over`: names of affinity queues

Output:
  nothing
]]
--- @include "scheduling/waiting"
--- @include "queue/work-items"

redis.call('ZREM', choosing_key(args.pool), args.token)
record_passed_over(args.pool, args.passed_over)
wake_worker(args.pool)
