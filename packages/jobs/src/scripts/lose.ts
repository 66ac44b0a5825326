import { PRELUDE } from './prelude.js';

/** running → queued, the one step back: the instance lost the submission. Own arguments: claim, prompt id. */
export const loseScript = `${PRELUDE}
local claim, prompt_id = ARGV[4], ARGV[5]
if not held_by(claim) then return 'superseded' end
if get('prompt_id') == prompt_id then
  redis.call('HDEL', record, 'prompt_id', 'started_prompt', 'started_at', 'progress')
  set('phase', 'claimed')
  if get('status') == 'running' then
    set('status', 'queued')
    redis.call('SREM', running_key(get('pool')), id)
    emit_status('queued')
  end
end
return get('status') == 'canceling' and 'canceling' or 'ok'
`;
