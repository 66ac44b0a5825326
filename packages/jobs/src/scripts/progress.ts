import { PRELUDE } from './prelude.js';

/**
 * Notes how far the execution is. Own arguments: claim, progress (JSON). What arrives before the start was noted, or
 * late from a lost submission, is dropped: a queued job shows no progress and has no events.
 */
export const progressScript = `${PRELUDE}
local claim, progress = ARGV[4], ARGV[5]
if not held_by(claim) then return 'superseded' end
if get('status') == 'canceling' then return 'canceling' end
if get('status') == 'running' and get('progress') ~= progress then
  set('progress', progress)
  emit_progress(progress)
end
return 'ok'
`;
