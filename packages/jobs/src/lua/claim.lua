--[[
Claims a job that this worker is responsible for, no matter where its work item is: in the queue, with a dead process, or
with a process that only passes it on. A repeat with the same token changes nothing. While the pool or the fleet is paused,
only jobs that may be in a ComfyUI are claimed.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`: how long an ended record lives, in ms; `pool`; `worker`; `token` of the new lock;
  `lock_ms`: how long it lasts; `most_deaths`: how many deaths of workers fail the job; `too_many_deaths`: the error it
  then fails with (JSON)

Output:
  {'ok', snapshot}; {'paused'}; {'none'} if the job has ended, belongs to another pool or is not this worker's
  responsibility, or if this process is just receiving it through the queue
]]
--- @include "shared/take-claim"
--- @include "shared/snapshot"
--- @include "queue/work-items"

local pool, status, claimed_with = args.pool, get('status'), get('claimed_with')
if get('pool') ~= pool or is_terminal(status) then return {'none'} end
if claimed_with == args.token then return {'ok', snapshot()} end
if redis.call('SISMEMBER', held_key(args.worker), id) == 0 then return {'none'} end
if process_of(claimed_with) == process_of(args.token) and is_locked(pool, id) then return {'none'} end
if is_overdue() then
  close_with_item(EXPIRED)
  return {'none'}
end
if status ~= CANCELING and get('prompt_id') == '' and is_paused(pool) then return {'paused'} end
if not take_back_work_item(pool, id, args.token, args.lock_ms) then return {'none'} end
if not take_claim(args.worker, args.token, args.most_deaths, args.too_many_deaths) then return {'none'} end
return {'ok', snapshot()}
