import { PRELUDE } from './prelude.js';

/** queued → running: ComfyUI began to execute the submission. Own arguments: claim, prompt id. */
export const startScript = `${PRELUDE}
local claim, prompt_id = ARGV[4], ARGV[5]
if not held_by(claim) or get('prompt_id') ~= prompt_id then return 'superseded' end
set('phase', 'executing')
if get('started_prompt') ~= prompt_id then begin_running(prompt_id) end
return get('status') == 'canceling' and 'canceling' or 'ok'
`;
