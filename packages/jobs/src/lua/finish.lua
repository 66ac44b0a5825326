--[[
The holder of the claim ends the job. A job that was being canceled ends as canceled, whatever its outcome. A repeat
returns the same status.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`: how long an ended record lives, in ms; `claim`
  `outcome`: succeeded, failed or canceled; `outputs`, `error` and `timings` (JSON); `pictures`: how many pictures are among
  the outputs
  `executed`: the prompt id that began executing, in case the ledger does not know yet; `executed_ms`: how long it executed;
  `loaded_ms`: how much of that was spent loading models, which similar jobs may find in memory
  `in_doubt`: ComfyUI may still have the submission; `has_killed`: the submission killed its instance

Output:
  the final status of the job, or 'superseded'
]]
--- @include "shared/submission"
--- @include "shared/close"
--- @include "shared/execution"
--- @include "shared/job-bytes"
--- @include "shared/storage"

local outcome, executed, executed_ms, loaded_ms = args.outcome, args.executed, args.executed_ms, args.loaded_ms or 0
local status = get('status')
if is_terminal(status) and is_latest(args.claim) then return status end
if is_terminal(status) or not held_by(args.claim) then return 'superseded' end
if executed and executed == get('prompt_id') and get('started_prompt') ~= executed then begin_running(executed) end
if status == CANCELING then outcome = CANCELED end
if outcome ~= CANCELED and args.outputs then
  set('outputs', args.outputs)
  add_stored(get('key'), bytes_in(args.outputs))
end
if outcome == SUCCEEDED then
  set('progress', '')
  if get('kills') ~= '' then excuse_only_kill(get('workflow') .. ' ' .. get('key')) end
  if executed_ms then learn(math.max(0, executed_ms - loaded_ms)) end
end
if args.timings then set('timings', args.timings) end
if outcome == FAILED then
  set('error', args.error)
  if args.has_killed then record_kill(get('prompt_id')) end
end
if args.in_doubt then abandon_submission() end
hold_more(get('key'), id, #(args.outputs or '') + #(args.error or '') + #(args.timings or ''))
record_execution(outcome, executed_ms, loaded_ms)
close_job(outcome, executed_ms, args.pictures)
return outcome
