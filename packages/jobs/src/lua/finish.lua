--[[
The holder ends the job. A job that was being canceled ends as canceled, whatever its outcome. A repeat answers the
same.

Input:
  KEYS[1] the record
  ARGV[1] prefix
  ARGV[2] job id
  ARGV[3] ms that an ended record lives
  ARGV[4] claim
  ARGV[5] outcome: succeeded, failed or canceled
  ARGV[6] outputs (JSON), or empty
  ARGV[7] error (JSON), or empty
  ARGV[8] the prompt id that began executing, or empty; one that was lost since was counted before
  ARGV[9] whether ComfyUI may still have the submission, or empty
  ARGV[10] how long the execution took in ms, or empty
  ARGV[11] how much of that it loaded models, or empty: others like it may find them in memory
  ARGV[12] its timings (JSON), or empty
  ARGV[13] how many pictures are among the outputs
  ARGV[14] how many executions of its instance are remembered, or empty

Output:
  what the job became, or 'superseded'
]]
--- @include "shared/begin"
--- @include "shared/close"
--- @include "shared/learn"
--- @include "shared/job-bytes"
--- @include "shared/storage"
--- @include "shared/timeline"

local claim, outcome, outputs, failure, executed_prompt = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local in_doubt, executed_ms, loaded_ms = ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11] or '') or 0
local pictures = tonumber(ARGV[13] or '') or 0
local status = get('status')
if is_terminal(status) and is_latest(claim) then return status end
if is_terminal(status) or not held_by(claim) then return 'superseded' end
if executed_prompt ~= '' and executed_prompt == get('prompt_id')
  and get('started_prompt') ~= executed_prompt then
  begin_running(executed_prompt)
end
if status == 'canceling' then outcome = 'canceled' end
if outcome ~= 'canceled' and outputs ~= '' then
  set('outputs', outputs)
  add_stored(get('key'), bytes_in(outputs))
end
if outcome == 'succeeded' then
  set('progress', '')
  if executed_ms then learn(math.max(0, executed_ms - loaded_ms)) end
end
if (ARGV[12] or '') ~= '' then set('timings', ARGV[12]) end
if outcome == 'failed' then
  set('error', failure)
  if cjson.decode(failure).code == 'instance_killed' then note_kill() end
end
if in_doubt ~= '' then abandon_submission() end
hold_more(get('key'), id, #outputs + #failure + #(ARGV[12] or ''))
note_execution(outcome, tonumber(ARGV[14] or ''), executed_ms, loaded_ms)
close_job(outcome, executed_ms, pictures)
return outcome
