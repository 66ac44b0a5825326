import { INDEX_EXTRA_MS, PRELUDE } from './prelude.js';

/** For scripts about deliveries: how long a job lives that has ended. */
export const LIFE = `
-- While its webhook is still to come: for so many ms from now at least.
local function outlive_delivery(ms)
  outlive(record, ms)
  outlive(attempts_key(id), ms)
  outlive(jobs_of_key(get('key')), ms + ${INDEX_EXTRA_MS})
end
-- Its delivery is over: from now on as long as one that ends now.
local function begin_lifetime()
  redis.call('PEXPIRE', record, ended_life)
  redis.call('PEXPIRE', attempts_key(id), ended_life)
  outlive(jobs_of_key(get('key')), ended_life + ${INDEX_EXTRA_MS})
end
`;

/**
 * Has an ended job outlive the delivery of its webhook. Own argument: for how many ms from now it is to be known at least.
 * Answers its key, or an empty text, and changes nothing, when there is no such job that has ended.
 */
export const prolongScript = `${PRELUDE}${LIFE}
if not is_terminal(get('status')) then return '' end
outlive_delivery(tonumber(ARGV[4]))
return get('key')
`;
