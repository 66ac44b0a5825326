--[[
An instance takes none of the waiting jobs. The queues that it passed over are marked, so that they become overdue. If its
worker was woken, the wake-up is passed on until all workers had it: otherwise they would wake each other forever.

Input:
  KEYS[1] any key
  `pool`
  `passed_over`: names of affinity queues
  `woken`: how many workers had the wake-up before; nil if there was none

Output:
  nothing
]]
--- @include "scheduling/waiting"
--- @include "queue/work-items"

record_passed_over(args.pool, args.passed_over)
if args.woken then pass_on(args.pool, args.woken + 1) end
