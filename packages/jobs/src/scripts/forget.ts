import { PRELUDE } from './prelude.js';

/**
 * Takes away all that is known of a job that has ended. Answers `open`, and changes nothing, for one that has not;
 * `absent` when there was nothing; else `forgotten`.
 */
export const forgetScript = `${PRELUDE}
local status = get('status')
if status ~= '' and not is_terminal(status) then return 'open' end
local caller = get('key')
if caller ~= '' then redis.call('ZREM', jobs_of_key(caller), id) end
local found = redis.call('DEL', record)
redis.call('DEL', events_key(id), attempts_key(id), preview_key(id))
return found == 1 and 'forgotten' or 'absent'
`;
