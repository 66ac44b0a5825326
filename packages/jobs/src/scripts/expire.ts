import { PRELUDE } from './prelude.js';

/** queued → expired: the start deadline passed while nobody had taken the job. Answers 1 when it expired. */
export const expireScript = `${PRELUDE}
local deadline = tonumber(get('start_deadline'))
if get('status') ~= 'queued' or get('phase') ~= 'waiting' or get('prompt_id') ~= '' then return 0 end
if deadline > tonumber(now_ms()) then return 0 end
close_job('expired')
return 1
`;
