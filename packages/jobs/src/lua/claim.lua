--[[
A worker claims a job that is its own to look after, wherever its work item is: in the queue, or with a process that died
or only passes it on. A repeat with the same token changes nothing. While its pool or the whole fleet is paused, a job that
no ComfyUI may have stays where it is.

Input:
  KEYS[1] the record
  `id` of the job, `ended_life`: ms that its record lives when it has ended, `kept_work_items`: how many failed ones of
  its pool are kept; `pool`; `worker`; `token` of the new lock, `lock_ms`: how long it lasts; `most_deaths` after which
  the job fails; `too_many_deaths`: the error to fail it with (JSON)

Output:
  {'ok', snapshot}; {'paused'}; {'none'} when it has ended, is of another pool, or not the worker's to look after, or
  when this very process is just being told that it has it
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
