import { PRELUDE } from './prelude.js';

/**
 * queued → running: ComfyUI began to execute the submission. Own arguments: claim, prompt id. Late word of another
 * submission than the current one changes nothing.
 */
export const startScript = `${PRELUDE}
local claim, prompt_id = ARGV[4], ARGV[5]
if not held_by(claim) then return 'superseded' end
if get('prompt_id') == prompt_id then
  set('phase', 'executing')
  if get('started_prompt') ~= prompt_id then begin_running(prompt_id) end
end
return get('status') == 'canceling' and 'canceling' or 'ok'
`;
