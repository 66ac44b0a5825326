--[[
Records a new submission before it is sent to ComfyUI.

Input:
  KEYS[1] the record
  `id` of the job; `ended_life`: how long an ended record lives, in ms; `claim`; `prompt_id`; `instance`;
  `expected_start` (ms since 1970), if the prompt will wait there behind another one

Output:
  'ok'; 'canceling': stop the job; 'recalled': graphs of the key have been held back since the claim; 'superseded': there
  is a newer claim
]]
--- @include "shared/kills"
--- @include "scheduling/virtual-time"

local prompt_id = args.prompt_id
if not held_by(args.claim) then return 'superseded' end
if get('status') == CANCELING then return CANCELING end
if get('prompt_id') ~= prompt_id then
  if get('workflow') == 'graph' and are_graphs_held_back(get('key')) then return 'recalled' end
  set('prompt_id', prompt_id, 'instance', args.instance)
  enter(SUBMITTED)
  charge_claimed()
  redis.call('HDEL', record, 'claimed_at')
  redis.call('HINCRBY', record, 'submissions', 1)
  if args.expected_start then redis.call('ZADD', behind_others_key(get('pool')), args.expected_start, id) end
end
return 'ok'
