import { PRELUDE } from './prelude.js';
import { LIFE } from './prolong.js';

/** Tries kept of one job: the newest. */
const MOST_TRIES = 50;

/**
 * Logs a try to deliver the job's webhook, unless the job was deleted meanwhile. Own arguments: the try (JSON), and for
 * how many ms the job is to live at least, or an empty text when there is to be no other try.
 */
export const noteTryScript = `${PRELUDE}${LIFE}
if not is_terminal(get('status')) then return end
redis.call('RPUSH', attempts_key(id), ARGV[4])
redis.call('LTRIM', attempts_key(id), -${MOST_TRIES}, -1)
if ARGV[5] == '' then begin_lifetime() else outlive_delivery(tonumber(ARGV[5])) end
`;
