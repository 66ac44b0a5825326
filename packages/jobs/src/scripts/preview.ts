import { PRELUDE } from './prelude.js';

const LIFE_MS = 60_000;

/**
 * Hands a picture of the unfinished work to those who listen, and keeps it a minute for those who come. Own arguments:
 * claim, preview (JSON). It is published, not written to the job's stream: pictures are too large to be kept.
 */
export const previewScript = `${PRELUDE}
local claim, preview = ARGV[4], ARGV[5]
if not held_by(claim) then return 'superseded' end
if get('status') == 'running' and redis.call('PUBLISH', job_channel(id), 'preview ' .. preview) > 0 then
  redis.call('SET', preview_key(id), preview, 'PX', ${LIFE_MS})
end
return 'ok'
`;
