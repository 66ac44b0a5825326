--[[
An instance takes none of the waiting jobs. The queues that it passed over are marked, so that they become overdue, and
another worker is woken.

Input:
  KEYS[1] any key
  `pool`
  `token` with which it read them
  `passed_over`: names of affinity queues

Output:
  nothing
]]
--- @include "scheduling/waiting"
--- @include "queue/work-items"

redis.call('ZREM', choosing_key(args.pool), args.token)
record_passed_over(args.pool, args.passed_over)
wake_worker(args.pool)
