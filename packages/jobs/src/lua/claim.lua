--[[
A worker takes a job whose work item it has already, since it is its own to look after. A repeat with the same token
changes nothing. While its pool or the whole fleet is paused, a job that no ComfyUI may have stays where it is.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives
  ARGV[4] worker
  ARGV[5] token of the work item's lock
  ARGV[6] deaths after which the job fails
  ARGV[7] the error to fail it with (JSON)

Output:
  {'ok', snapshot}, {'ended'} or {'halted'}
]]
--- @include "shared/take-claim"
--- @include "shared/snapshot"

local worker, token, most_deaths, too_many_deaths = ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]
local status = get('status')
if status == '' or is_terminal(status) then return {'ended'} end
if get('claimed_with') == token then return {'ok', snapshot()} end
if is_overdue() then
  close_job('expired')
  return {'ended'}
end
if status ~= 'canceling' and get('prompt_id') == '' and is_halted(get('pool')) then return {'halted'} end
if not take_claim(worker, token, most_deaths, too_many_deaths) then return {'ended'} end
return {'ok', snapshot()}
