import { LEARN } from './learn.js';
import { PRELUDE } from './prelude.js';

/**
 * The holder ends the job. Own arguments: claim, outcome (succeeded, failed or canceled), images (JSON), error (JSON or
 * empty), the prompt id that began executing (or empty; one that was lost since was counted before), whether ComfyUI
 * may still have the submission (or empty), how long the execution took in ms (or empty). A job that was being canceled
 * ends as canceled, whatever its outcome. Answers what the job became; a repeat answers the same.
 */
export const finishScript = `${PRELUDE}${LEARN}
local claim, outcome, images, failure, executed_prompt = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local in_doubt, executed_ms = ARGV[9], tonumber(ARGV[10])
local status = get('status')
if is_terminal(status) and is_latest(claim) then return status end
if is_terminal(status) or not held_by(claim) then return 'superseded' end
if executed_prompt ~= '' and executed_prompt == get('prompt_id') and get('started_prompt') ~= executed_prompt then begin_running(executed_prompt) end
if status == 'canceling' then outcome = 'canceled' end
if outcome == 'succeeded' then
  set('images', images, 'progress', '')
  if executed_ms then learn(executed_ms) end
end
if outcome == 'failed' then set('error', failure) end
if in_doubt ~= '' then abandon_submission() end
close_job(outcome, executed_ms)
return outcome
`;
