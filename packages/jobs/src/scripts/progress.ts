import { PRELUDE } from './prelude.js';

/** Notes how far the execution is. Own arguments: claim, progress (JSON). */
export const progressScript = `${PRELUDE}
local claim, progress = ARGV[4], ARGV[5]
if not held_by(claim) then return 'superseded' end
if get('status') == 'canceling' then return 'canceling' end
if get('progress') ~= progress then
  set('progress', progress)
  emit_progress(progress)
end
return 'ok'
`;
