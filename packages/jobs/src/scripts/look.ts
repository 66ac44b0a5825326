import { PRELUDE } from './prelude.js';

/** Changes nothing: tells the holder whether the job still is its own, wanted, and not asked for by an idle instance. Own argument: claim. */
export const lookScript = `${PRELUDE}
if not held_by(ARGV[4]) then return 'superseded' end
if get('status') == 'canceling' then return 'canceling' end
return get('recalled') ~= '' and 'recalled' or 'ok'
`;
