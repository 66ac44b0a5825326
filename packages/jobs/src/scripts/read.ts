import { COUNT } from './count.js';
import { PRELUDE, SNAPSHOT } from './prelude.js';

/**
 * Reads jobs and counts requests, for whoever asks in the same moment, in one round trip. Own arguments, for each
 * question two: `job` and an id, answered with the job's snapshot; or `count` and a caller, answered with how many requests of the caller this minute has seen, this one
 * included, and how many ms of it are left.
 */
export const readScript = `${PRELUDE}${SNAPSHOT}${COUNT}
local replies = {}
for n = 4, #ARGV, 2 do
  local subject = ARGV[n + 1]
  if ARGV[n] == 'count' then
    replies[#replies + 1] = count(subject)
  else
    id, record = subject, job_key(subject)
    replies[#replies + 1] = snapshot()
  end
end
return replies
`;
