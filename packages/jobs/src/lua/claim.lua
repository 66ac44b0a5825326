--[[
A worker takes a job whose work item it has already, since it is its own to look after. A repeat with the same token
changes nothing. While its pool or the whole fleet is paused, a job that no ComfyUI may have stays where it is.

Input:
  KEYS[1] the record
  `id` of the job, `ended_life`: ms that its record lives when it has ended; `worker`; `token` of the work item's
  lock; `most_deaths` after which the job fails; `too_many_deaths`: the error to fail it with (JSON)

Output:
  {'ok', snapshot}, {'ended'} or {'halted'}
]]
--- @include "shared/take-claim"
--- @include "shared/snapshot"

local status = get('status')
if status == '' or is_terminal(status) then return {ENDED} end
if get('claimed_with') == args.token then return {'ok', snapshot()} end
if is_overdue() then
  close_with_item(EXPIRED)
  return {ENDED}
end
if status ~= CANCELING and get('prompt_id') == '' and is_halted(get('pool')) then return {'halted'} end
if not take_claim(args.worker, args.token, args.most_deaths, args.too_many_deaths) then return {ENDED} end
return {'ok', snapshot()}
