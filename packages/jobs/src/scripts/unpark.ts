import { PRELUDE } from './prelude.js';

/** The work item of a parked job is put aside now: if its key got a free place meanwhile, nobody could call it. */
export const unparkScript = `${PRELUDE}
call_parked()
return 'ok'
`;
