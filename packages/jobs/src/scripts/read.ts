import { PRELUDE, SNAPSHOT } from './prelude.js';

const WINDOW_MS = 60_000;

/**
 * Reads jobs and counts requests, for whoever asks in the same moment, in one round trip. Own arguments, for each
 * question two: `job` and an id, answered with the job's snapshot; `rank` and an id, answered with its rank (-1: there is
 * no such job); or `count` and a caller, answered with how many requests of the caller this minute has seen, this one
 * included, and how many ms of it are left.
 */
export const readScript = `${PRELUDE}${SNAPSHOT}
-- Kept out of the append-only file: a minute's count may be lost in a crash, and each read would wait for the disk.
local function count(caller)
  local key = rate_key(caller)
  redis.set_repl(redis.REPL_NONE)
  local requests = redis.call('INCR', key)
  if requests == 1 then redis.call('PEXPIRE', key, ${WINDOW_MS}) end
  redis.set_repl(redis.REPL_ALL)
  return {requests, redis.call('PTTL', key)}
end
local replies = {}
for n = 4, #ARGV, 2 do
  local subject = ARGV[n + 1]
  if ARGV[n] == 'count' then
    replies[#replies + 1] = count(subject)
  else
    id, record = subject, job_key(subject)
    replies[#replies + 1] = ARGV[n] == 'job' and snapshot() or tonumber(get('rank')) or -1
  end
end
return replies
`;
