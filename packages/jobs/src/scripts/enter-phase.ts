import { PRELUDE } from './prelude.js';

/** Notes the inner phase, which callers do not see. Own arguments: claim, phase. */
export const enterPhaseScript = `${PRELUDE}
local claim, phase = ARGV[4], ARGV[5]
if not held_by(claim) then return 'superseded' end
set('phase', phase)
return get('status') == 'canceling' and 'canceling' or 'ok'
`;
