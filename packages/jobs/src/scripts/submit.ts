import { PRELUDE } from './prelude.js';

/** Writes a new submission down before ComfyUI is asked. Own arguments: claim, prompt id, instance. */
export const submitScript = `${PRELUDE}
local claim, prompt_id, instance = ARGV[4], ARGV[5], ARGV[6]
if not held_by(claim) then return 'superseded' end
if get('status') == 'canceling' then return 'canceling' end
if get('prompt_id') ~= prompt_id then
  set('prompt_id', prompt_id, 'instance', instance, 'phase', 'submitted')
  redis.call('HINCRBY', record, 'submissions', 1)
end
return 'ok'
`;
