import { PRELUDE } from './prelude.js';

/** queued → expired: the start deadline passed while nobody had taken the job. Answers 1 when it expired. */
export const expireScript = `${PRELUDE}
if not is_overdue() then return 0 end
close_job('expired')
return 1
`;
