--[[
Writes a new submission down before ComfyUI is asked.

Input:
  KEYS[1] the record
  `id` of the job, `ended_life`: ms that its record lives when it has ended; `claim`; `prompt_id`; `instance`;
  `expected_start` (ms since 1970), when it will wait there behind another prompt

Output:
  'ok', or 'canceling': stop; 'superseded': the claim is not the latest any more
]]
--- @include "shared/job"

local prompt_id = args.prompt_id
if not held_by(args.claim) then return 'superseded' end
if get('status') == CANCELING then return CANCELING end
if get('prompt_id') ~= prompt_id then
  set('prompt_id', prompt_id, 'instance', args.instance)
  enter(SUBMITTED)
  redis.call('HINCRBY', record, 'submissions', 1)
  if args.expected_start then redis.call('ZADD', behind_others_key(get('pool')), args.expected_start, id) end
end
return 'ok'
