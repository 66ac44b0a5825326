import { PRELUDE } from './prelude.js';

/** Changes nothing: tells the holder whether the job still is its own, and wanted. Own argument: claim. */
export const lookScript = `${PRELUDE}
if not held_by(ARGV[4]) then return 'superseded' end
return get('status') == 'canceling' and 'canceling' or 'ok'
`;
