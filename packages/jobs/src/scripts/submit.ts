import { PRELUDE } from './prelude.js';

/**
 * Writes a new submission down before ComfyUI is asked. Own arguments: claim, prompt id, instance, and, when it
 * will wait there behind another prompt, the time at which it is expected to start (ms since 1970, else empty).
 */
export const submitScript = `${PRELUDE}
local claim, prompt_id, instance, expected_start = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
if not held_by(claim) then return 'superseded' end
if get('status') == 'canceling' then return 'canceling' end
if get('prompt_id') ~= prompt_id then
  set('prompt_id', prompt_id, 'instance', instance, 'phase', 'submitted')
  redis.call('HINCRBY', record, 'submissions', 1)
  if expected_start ~= '' then redis.call('ZADD', ahead_key(get('pool')), expected_start, id) end
end
return 'ok'
`;
