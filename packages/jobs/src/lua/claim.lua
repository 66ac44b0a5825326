--[[
Claims a job that this worker is responsible for, no matter where its work item is: in the queue, with a dead process, or
with a process that only passes it on. A repeat with the same token changes nothing. While the pool or the fleet is paused,
only jobs that may be in a ComfyUI are claimed.

Input:
  KEYS[1] the record
  `id` of the job; `pool`; `worker`; `token` of the new lock; `lock_ms`: how long it lasts

Output:
  the record; nothing if the job has ended, is overdue, belongs to another pool or is not this worker's responsibility, if
  this process is just receiving it through the queue, or during a pause
]]
--- @include "shared/take-claim"
--- @include "queue/work-items"

local pool, status, claimed_with = args.pool, get('status'), get('claimed_with')
if get('pool') ~= pool or is_terminal(status) or is_overdue() then return {} end
if claimed_with == args.token then return redis.call('HGETALL', record) end
if redis.call('SISMEMBER', held_key(args.worker), id) == 0 then return {} end
if process_of(claimed_with) == process_of(args.token) and is_locked(pool, id) then return {} end
if status ~= CANCELING and get('prompt_id') == '' and is_paused(pool) then return {} end
if not take_back_work_item(pool, id, args.token, args.lock_ms) then return {} end
take_claim(args.worker, args.token)
return redis.call('HGETALL', record)
